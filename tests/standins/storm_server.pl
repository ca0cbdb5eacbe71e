#!/usr/bin/perl
# Stands in for llama-server where its log is what matters: ready at once, it answers /health and,
# on /storm?rate=R&seconds=S, writes R numbered lines a second for S seconds. Perl, since that is
# in every Debian image and on every Mac.
use strict;
use warnings;
use IO::Socket::INET;
use POSIX ();

my $clock = eval { require Time::HiRes; \&Time::HiRes::time };  # not in the smallest images
my %given = (host => "127.0.0.1", port => 8080);
for my $at (0 .. $#ARGV) {
    $given{$1} = $ARGV[$at + 1] // "" if $ARGV[$at] =~ /^--([\w-]+)$/;
}
if (exists $given{version}) { print "version: 1 (storm)\n"; exit }
if (exists $given{help}) { print_help(); exit }

my $server = IO::Socket::INET->new(
    LocalAddr => $given{host}, LocalPort => $given{port}, Listen => 64, ReuseAddr => 1
) or die "error: cannot listen: $!\n";
my $child = 0;
$SIG{CHLD} = "IGNORE";
$SIG{TERM} = $SIG{INT} = sub { kill "KILL", $child if $child; exit 0 };
syswrite STDERR, "main: server is listening on http://$given{host}:$given{port}\n";

while (1) {
    my $client = $server->accept or next;
    my $asked = "";
    while ($asked !~ /\r\n\r\n/) { sysread($client, $asked, 65536, length $asked) or last }
    my $body = '{"status":"ok"}';
    $body = '{"data":[]}' if $asked =~ m{^GET /v1/models};
    if ($asked =~ m{ /storm\?rate=(\d+)&seconds=(\d+)}) {
        my ($rate, $seconds) = ($1, $2);
        $child = fork;
        if (!$child) { close $server; close $client; storm($rate, $seconds); POSIX::_exit(0) }
    }
    syswrite $client, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
        . "Content-Length: " . length($body) . "\r\n\r\n$body";
    close $client;
}

# Lines as llama-server writes them: half of them with a prefix that tells the level, half without.
sub storm {
    my ($rate, $seconds) = @_;
    my $tick = POSIX::sysconf(POSIX::_SC_CLK_TCK());
    my $begun = (POSIX::times())[0];
    my ($written, $elapsed) = (0, 0);
    while ($written < $rate * $seconds) {
        select undef, undef, undef, 0.01;
        $elapsed = ((POSIX::times())[0] - $begun) / $tick;
        my $due = $elapsed < $seconds ? int($elapsed * $rate) : $rate * $seconds;
        my $text = "";
        my $now = $clock ? sprintf " at %.3f", $clock->() : "";
        while ($written < $due) {
            $written++;
            $text .= $written % 2
                ? "0.12.345.678 I slot print_timing: id  3 | task $written | storm line $written$now,"
                    . " n_decoded = 117, tg = 41.07 t/s\n"
                : "slot update_slots: id  2 | task $written | prompt processing progress, n_tokens ="
                    . " 2048, batch.n_tokens = 512, progress = 0.25\n";
            if (length $text > 60000) { syswrite STDERR, $text; $text = "" }
        }
        syswrite STDERR, $text if length $text;
    }
    $elapsed = ((POSIX::times())[0] - $begun) / $tick;
    syswrite STDERR, sprintf "storm over: %d lines in %.2f s\n", $written, $elapsed;
}

sub print_help {
    for my $flag (qw(model host port alias api-key-file cors-origins metrics ctx-size parallel
        n-gpu-layers fit fit-target log-prefix log-timestamps props slots)) {
        print "--$flag VALUE    a setting\n";
    }
}
