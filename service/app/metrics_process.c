#include "app/metrics_process.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

/* Fields of /proc/self/stat by their number in proc(5). */
enum {
    STAT_UTIME = 14,
    STAT_STIME = 15,
    STAT_START = 22,
    STAT_VSIZE = 23,
    STAT_RSS = 24,
    STAT_FIELDS = 25
};

static size_t read_file(const char *path, char *to, size_t size)
{
    FILE *f = fopen(path, "re");
    size_t n = f ? fread(to, 1, size - 1, f) : 0;
    if (f)
        fclose(f);
    to[n] = 0;
    return n;
}

/* The name of the process, field 2, is in brackets and may hold anything, brackets too. */
static bool read_stat(uint64_t fields[STAT_FIELDS])
{
    char text[2048];
    read_file("/proc/self/stat", text, sizeof text);
    char *p = strrchr(text, ')');
    if (!p || p[1] != ' ')
        return false;
    p += 4; /* ") S", field 3 */
    for (int i = 4; i < STAT_FIELDS; i++)
        fields[i] = strtoull(p, &p, 10);
    return true;
}

/* Seconds since 1970 of the moment from which `start` ticks count. */
static uint64_t boot_time(void)
{
    FILE *f = fopen("/proc/stat", "re");
    char line[256];
    unsigned long long seconds = 0;
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, "btime ", 6) == 0)
            seconds = strtoull(line + 6, NULL, 10);
    if (f)
        fclose(f);
    return seconds;
}

static int open_files(void)
{
    DIR *d = opendir("/proc/self/fd");
    int n = 0;
    for (struct dirent *e; d && (e = readdir(d));)
        n += e->d_name[0] != '.';
    if (d)
        closedir(d);
    return n > 0 ? n - 1 : 0; /* without the one that is reading */
}

static void gauge(struct buf *b, const char *name, uint64_t v)
{
    buf_printf(b, "# TYPE %s gauge\n%s %" PRIu64 "\n", name, name, v);
}

void metrics_process(struct buf *b)
{
    uint64_t f[STAT_FIELDS];
    long per_second = sysconf(_SC_CLK_TCK), page = sysconf(_SC_PAGESIZE);
    if (per_second > 0 && page > 0 && read_stat(f)) {
        buf_printf(b, "# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total %.2f\n",
                   (double)(f[STAT_UTIME] + f[STAT_STIME]) / (double)per_second);
        buf_printf(b, "# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds %.2f\n",
                   (double)boot_time() + (double)f[STAT_START] / (double)per_second);
        gauge(b, "process_resident_memory_bytes", f[STAT_RSS] * (uint64_t)page);
        gauge(b, "process_virtual_memory_bytes", f[STAT_VSIZE]);
    }
    struct rlimit files;
    gauge(b, "process_open_fds", (uint64_t)open_files());
    if (getrlimit(RLIMIT_NOFILE, &files) == 0)
        gauge(b, "process_max_fds", files.rlim_cur);
}
