"""The doctor: everything between the user and a served model, looked at, explained, and mended by a
command that fits this system. It needs no rights, changes nothing, and finds its checks by itself:
one more file in `checks` is one more check."""
