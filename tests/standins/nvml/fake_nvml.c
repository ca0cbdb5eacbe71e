/* NVIDIA's management library as the tests need it: the real ABI, and a script instead of a driver.
 *
 * FAKE_NVML_SCRIPT names a file that is read again whenever it changes. A line is one of
 *
 *     count 8                     how many GPUs there are
 *     error FUNCTION CODE         FUNCTION fails for every GPU ("*": every function)
 *     error FUNCTION CODE GPU     … for one
 *     slow FUNCTION MS [GPU]      FUNCTION takes so long
 *     crash FUNCTION [GPU]        FUNCTION ends the process, as a lost GPU may
 *     set KEY VALUE [GPU]         a figure: memory_total, temperature …
 *     process GPU PID BYTES       a program that uses a GPU (BYTES -1: not told)
 *     mig GPU BYTES_TOTAL BYTES_USED   a part of a GPU
 *     xid GPU NUMBER              a fault that is reported once for each such line
 *
 * Built with -DOLD_DRIVER it lacks what old drivers lack, down to the symbols.
 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <pthread.h>

#define MAX_LINES 512
#define MAX_GPUS 16
enum { SUCCESS = 0, UNINITIALIZED = 1, INVALID = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6,
       INSUFFICIENT = 7, TIMED_OUT = 10 };

typedef struct { char verb[16], name[64]; double value; long gpu, more; int used; } line_t;
typedef struct { int index; int part; } device_t;

static line_t lines[MAX_LINES];
static int line_count, initialized;
static struct timespec read_at;
static off_t read_size;
static device_t devices[MAX_GPUS], parts[MAX_GPUS][8];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void read_script(void) {
    const char *path = getenv("FAKE_NVML_SCRIPT");
    struct stat found;
    if (!path || stat(path, &found)) return;
    if (found.st_mtim.tv_sec == read_at.tv_sec && found.st_mtim.tv_nsec == read_at.tv_nsec &&
        found.st_size == read_size) return;
    FILE *file = fopen(path, "r");
    if (!file) return;
    read_at = found.st_mtim;
    read_size = found.st_size;
    line_count = 0;
    char text[256];
    while (line_count < MAX_LINES && fgets(text, sizeof text, file)) {
        line_t *line = &lines[line_count];
        memset(line, 0, sizeof *line);
        line->gpu = -1;
        if (sscanf(text, "%15s", line->verb) != 1 || line->verb[0] == '#') continue;
        if (!strcmp(line->verb, "count")) sscanf(text, "%*s %lf", &line->value);
        else if (!strcmp(line->verb, "process") || !strcmp(line->verb, "mig"))
            sscanf(text, "%*s %ld %lf %ld", &line->gpu, &line->value, &line->more);
        else if (!strcmp(line->verb, "xid")) sscanf(text, "%*s %ld %lf", &line->gpu, &line->value);
        else if (!strcmp(line->verb, "crash")) sscanf(text, "%*s %63s %ld", line->name, &line->gpu);
        else sscanf(text, "%*s %63s %lf %ld", line->name, &line->value, &line->gpu);
        line_count++;
    }
    fclose(file);
}

static line_t *find(const char *verb, const char *name, int gpu) {
    line_t *found = NULL;
    for (int i = 0; i < line_count; i++) {
        line_t *line = &lines[i];
        if (strcmp(line->verb, verb)) continue;
        if (name && strcmp(line->name, name) && strcmp(line->name, "*")) continue;
        if (line->gpu >= 0 && line->gpu != gpu) continue;
        found = line; /* the last line wins */
    }
    return found;
}

static int count(void) {
    line_t *line = find("count", NULL, -1);
    int told = line ? (int)line->value : 1;
    return told < MAX_GPUS ? told : MAX_GPUS;
}

static double figure(const char *key, int gpu, double otherwise) {
    line_t *line = find("set", key, gpu);
    return line ? line->value : otherwise;
}

/* What the script says of this call: 0, or the code to answer with. */
static int enter(const char *function, int gpu) {
    pthread_mutex_lock(&lock);
    read_script();
    line_t *slow = find("slow", function, gpu), *crash = find("crash", function, gpu);
    line_t *error = find("error", function, gpu);
    int wait = slow ? (int)slow->value : 0, code = error ? (int)error->value : 0;
    int dies = crash != NULL;
    pthread_mutex_unlock(&lock);
    if (wait) usleep(wait * 1000);
    if (dies) { signal(SIGSEGV, SIG_DFL); raise(SIGSEGV); }
    if (code) return code;
    return initialized || strncmp(function, "nvmlDevice", 10) ? SUCCESS : UNINITIALIZED;
}

#define ENTER(device) \
    if (!(device)) return INVALID; \
    { int code_ = enter(__func__, ((device_t *)(device))->index); if (code_) return code_; }
#define GPU(device) (((device_t *)(device))->index)
#define NUMBER(function, key, otherwise) \
    int function(void *device, unsigned *told) { \
        ENTER(device); \
        double found = figure(key, GPU(device), otherwise); \
        if (found < 0) return NOT_SUPPORTED; \
        *told = (unsigned)found; \
        return SUCCESS; \
    }

int nvmlInitWithFlags(unsigned flags) {
    (void)flags;
    int code = enter("nvmlInitWithFlags", -1);
#ifdef OTHER_VERSION
    code = 18; /* as a library answers whose driver was replaced */
#endif
    if (code) return code;
    for (int i = 0; i < MAX_GPUS; i++) {
        devices[i] = (device_t){i, -1};
        for (int j = 0; j < 8; j++) parts[i][j] = (device_t){i, j};
    }
    initialized++;
    return SUCCESS;
}

int nvmlShutdown(void) {
    if (!initialized) return UNINITIALIZED;
    initialized--;
    return SUCCESS;
}

const char *nvmlErrorString(int code) {
    switch (code) {
    case 1: return "Uninitialized";
    case 3: return "Not Supported";
    case 4: return "Insufficient Permissions";
    case 9: return "Driver Not Loaded";
    case 15: return "GPU is lost";
    case 18: return "Driver/library version mismatch";
    case 999: return "Unknown Error";
    default: return "Some Error";
    }
}

int nvmlDeviceGetCount_v2(unsigned *told) {
    int code = enter("nvmlDeviceGetCount_v2", -1);
    if (code) return code;
    *told = count();
    return SUCCESS;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device) {
    int code = enter("nvmlDeviceGetHandleByIndex_v2", index);
    if (code) return code;
    if ((int)index >= count()) return INVALID;
    *device = &devices[index];
    return SUCCESS;
}

int nvmlDeviceGetName(void *device, char *name, unsigned length) {
    ENTER(device);
    if (((device_t *)device)->part >= 0) snprintf(name, length, "MIG 1g.10gb");
    else if (figure("odd_name", GPU(device), 0)) snprintf(name, length, "GPU \xff\x1b]0;x\x07");
    else snprintf(name, length, "NVIDIA Fake %d", GPU(device));
    return SUCCESS;
}

int nvmlDeviceGetUUID(void *device, char *uuid, unsigned length) {
    ENTER(device);
    int part = ((device_t *)device)->part;
    if (part >= 0) snprintf(uuid, length, "MIG-%08d-%d", GPU(device), part);
    else snprintf(uuid, length, "GPU-%08d-0000-0000-0000-000000000000", GPU(device));
    return SUCCESS;
}

typedef struct { char legacy[16]; unsigned domain, bus, device, id, subsystem; char bus_id[32]; } pci_t;

int nvmlDeviceGetPciInfo_v3(void *device, pci_t *pci) {
    ENTER(device);
    memset(pci, 0, sizeof *pci);
    pci->bus = GPU(device) + 1;
    snprintf(pci->bus_id, sizeof pci->bus_id, "00000000:%02X:00.0", GPU(device) + 1);
    return SUCCESS;
}

typedef struct { unsigned long long total, free, used; } memory_t;

int nvmlDeviceGetMemoryInfo(void *device, memory_t *memory) {
    ENTER(device);
    int gpu = GPU(device), part = ((device_t *)device)->part;
    if (part >= 0) {
        int seen = 0;
        for (int i = 0; i < line_count; i++)
            if (!strcmp(lines[i].verb, "mig") && lines[i].gpu == gpu && seen++ == part) {
                memory->total = (unsigned long long)lines[i].value;
                memory->used = lines[i].more;
            }
    } else {
        memory->total = (unsigned long long)figure("memory_total", gpu, 24.0 * (1 << 30));
        memory->used = (unsigned long long)figure("memory_used", gpu, 1.0 * (1 << 30));
    }
    memory->free = memory->total - memory->used;
    return SUCCESS;
}

typedef struct { unsigned gpu, memory; } load_t;

int nvmlDeviceGetUtilizationRates(void *device, load_t *load) {
    ENTER(device);
    load->gpu = (unsigned)figure("utilisation", GPU(device), 40);
    load->memory = (unsigned)figure("memory_load", GPU(device), 20);
    return SUCCESS;
}

int nvmlDeviceGetTemperature(void *device, unsigned sensor, unsigned *told) {
    ENTER(device);
    if (sensor) return INVALID;
    *told = (unsigned)figure("temperature", GPU(device), 55);
    return SUCCESS;
}

NUMBER(nvmlDeviceGetFanSpeed, "fan", 30)
NUMBER(nvmlDeviceGetPowerUsage, "power", 120500)
NUMBER(nvmlDeviceGetEnforcedPowerLimit, "power_limit", 450000)
NUMBER(nvmlDeviceGetCurrPcieLinkGeneration, "pcie_generation", 4)
NUMBER(nvmlDeviceGetCurrPcieLinkWidth, "pcie_width", 16)
NUMBER(nvmlDeviceGetMaxPcieLinkGeneration, "pcie_generation_max", 4)
NUMBER(nvmlDeviceGetMaxPcieLinkWidth, "pcie_width_max", 16)

int nvmlDeviceGetClockInfo(void *device, unsigned type, unsigned *told) {
    ENTER(device);
    *told = (unsigned)figure(type == 2 ? "memory_clock" : "clock", GPU(device), type == 2 ? 10501 : 2520);
    return SUCCESS;
}

#ifndef OLD_DRIVER
int nvmlDeviceGetCurrentClocksEventReasons(void *device, unsigned long long *told) {
    ENTER(device);
    *told = (unsigned long long)figure("throttle", GPU(device), 0);
    return SUCCESS;
}
#endif

int nvmlDeviceGetCurrentClocksThrottleReasons(void *device, unsigned long long *told) {
    ENTER(device);
    *told = (unsigned long long)figure("throttle", GPU(device), 0);
    return SUCCESS;
}

int nvmlDeviceGetPcieThroughput(void *device, unsigned counter, unsigned *told) {
    ENTER(device);
    usleep(20000); /* as the real one measures for 20 ms */
    *told = (unsigned)figure(counter ? "pcie_received" : "pcie_sent", GPU(device), counter ? 2000 : 1000);
    return SUCCESS;
}

int nvmlDeviceGetTotalEccErrors(void *device, unsigned type, unsigned counter, unsigned long long *told) {
    ENTER(device);
    (void)counter;
    double found = figure(type ? "ecc_uncorrected" : "ecc_corrected", GPU(device), -1);
    if (found < 0) return NOT_SUPPORTED;
    *told = (unsigned long long)found;
    return SUCCESS;
}

typedef struct {
    unsigned id, scope; int64_t timestamp, latency; unsigned type; int code;
    union { double d; unsigned u; unsigned long long ull; } value;
} field_t;

int nvmlDeviceGetFieldValues(void *device, int many, field_t *fields) {
    ENTER(device);
    for (int i = 0; i < many; i++) {
        double found = fields[i].id == 82 ? figure("memory_temperature", GPU(device), -1) : -1;
        fields[i].code = found < 0 ? NOT_SUPPORTED : SUCCESS;
        fields[i].type = 1;
        fields[i].value.ull = 0;
        if (found >= 0) fields[i].value.u = (unsigned)found;
    }
    return SUCCESS;
}

typedef struct { unsigned pid; unsigned long long memory; unsigned instance, compute; } process_t;

static int list_processes(int gpu, unsigned *many, process_t *told) {
    unsigned found = 0;
    for (int i = 0; i < line_count; i++) {
        if (strcmp(lines[i].verb, "process") || lines[i].gpu != gpu) continue;
        if (told && found < *many) {
            told[found].pid = (unsigned)lines[i].value;
            told[found].memory = (unsigned long long)(long long)lines[i].more;
            told[found].instance = told[found].compute = 0xFFFFFFFF;
        }
        found++;
    }
    int fits = found <= *many;
    *many = found;
    return fits ? SUCCESS : INSUFFICIENT;
}

#ifndef OLD_DRIVER
int nvmlDeviceGetComputeRunningProcesses_v3(void *device, unsigned *many, process_t *told) {
    ENTER(device);
    return list_processes(GPU(device), many, told);
}

int nvmlDeviceGetGraphicsRunningProcesses_v3(void *device, unsigned *many, process_t *told) {
    ENTER(device);
    (void)told;
    *many = 0;
    return SUCCESS;
}
#endif

int nvmlDeviceGetComputeRunningProcesses_v2(void *device, unsigned *many, process_t *told) {
    ENTER(device);
    return list_processes(GPU(device), many, told);
}

#ifndef OLD_DRIVER
static int parts_of(int gpu) {
    int found = 0;
    for (int i = 0; i < line_count; i++)
        if (!strcmp(lines[i].verb, "mig") && lines[i].gpu == gpu) found++;
    return found;
}

int nvmlDeviceGetMigMode(void *device, unsigned *now, unsigned *pending) {
    ENTER(device);
    int found = parts_of(GPU(device));
    if (!found) return NOT_SUPPORTED;
    *now = *pending = 1;
    return SUCCESS;
}

int nvmlDeviceGetMaxMigDeviceCount(void *device, unsigned *told) {
    ENTER(device);
    *told = 7;
    return SUCCESS;
}

int nvmlDeviceGetMigDeviceHandleByIndex(void *device, unsigned index, void **part) {
    ENTER(device);
    if ((int)index >= parts_of(GPU(device))) return NOT_FOUND;
    *part = &parts[GPU(device)][index];
    return SUCCESS;
}

typedef struct { void *device; unsigned long long type, data; unsigned instance, compute; } event_t;
static int the_set, xids_told;

int nvmlEventSetCreate(void **set) {
    *set = &the_set;
    return enter("nvmlEventSetCreate", -1);
}

int nvmlDeviceRegisterEvents(void *device, unsigned long long types, void *set) {
    ENTER(device);
    (void)set;
    return types == 8 ? SUCCESS : INVALID;
}

int nvmlEventSetWait_v2(void *set, event_t *event, unsigned timeout) {
    (void)set;
    (void)timeout;
    int code = enter("nvmlEventSetWait_v2", -1);
    if (code) return code;
    int seen = 0;
    for (int i = 0; i < line_count; i++) {
        if (strcmp(lines[i].verb, "xid") || seen++ < xids_told) continue;
        xids_told++;
        *event = (event_t){&devices[lines[i].gpu], 8, (unsigned long long)lines[i].value, 0, 0};
        return SUCCESS;
    }
    return TIMED_OUT;
}

int nvmlEventSetFree(void *set) {
    (void)set;
    return SUCCESS;
}
#endif
