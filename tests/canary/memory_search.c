/* Searches files, and the memory of a program that it runs, for byte strings.
 *
 *     memory_search NEEDLES files FILE...
 *     memory_search NEEDLES run REPORT ABORT_AT COMMAND...
 *
 * NEEDLES has one line for each: a name, a tab, the bytes in hexadecimal. What is found goes to
 * standard output or REPORT, one line each: where, a tab, the name. A program that runs is searched
 * each time that it stops itself with SIGSTOP, and goes on then; at stop number ABORT_AT it is made
 * to dump core instead. Where is "stop 1 [heap]"; "undumped" stands behind it when the kernel
 * leaves that mapping out of cores. */
#define _GNU_SOURCE /* memmem, prctl's constants */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NEEDLES_MOST = 2048, NAME_MOST = 96, BYTES_MOST = 256, CHUNK = 1 << 20, PAIRS = 1 << 16 };

typedef struct needle {
    char name[NAME_MOST];
    unsigned char bytes[BYTES_MOST];
    size_t len;
    int next; /* with the same first two bytes; -1 for none */
} needle;

static needle needles[NEEDLES_MOST];
static int needle_count;
static int first_of[PAIRS];
static FILE *report;

static void fail(const char *what)
{
    fprintf(stderr, "memory_search: %s: %s\n", what, strerror(errno));
    exit(2);
}

static unsigned pair_at(const unsigned char *bytes)
{
    return (unsigned)bytes[0] | (unsigned)bytes[1] << 8;
}

static void add_needle(const char *name, const char *hex)
{
    needle *added = &needles[needle_count];
    size_t len = strlen(hex) / 2;
    if (needle_count == NEEDLES_MOST || len < 2 || len > BYTES_MOST || strlen(name) >= NAME_MOST) {
        errno = EINVAL;
        fail(name);
    }
    strcpy(added->name, name);
    for (size_t i = 0; i < len; i++) {
        const char digits[] = {hex[2 * i], hex[2 * i + 1], '\0'};
        added->bytes[i] = (unsigned char)strtoul(digits, NULL, 16);
    }
    added->len = len;
    added->next = first_of[pair_at(added->bytes)];
    first_of[pair_at(added->bytes)] = needle_count++;
}

static void read_needles(const char *path)
{
    FILE *file = fopen(path, "r");
    char name[NAME_MOST + 1];
    char hex[2 * BYTES_MOST + 1];
    if (file == NULL) {
        fail(path);
    }
    for (int i = 0; i < PAIRS; i++) {
        first_of[i] = -1;
    }
    while (fscanf(file, "%96[^\t]\t%512[0-9a-f]\n", name, hex) == 2) {
        add_needle(name, hex);
    }
    bool is_whole = feof(file) != 0;
    fclose(file);
    if (!is_whole || needle_count == 0) {
        errno = EINVAL;
        fail(path);
    }
}

/* Looks at each place of the first `starts` bytes; a needle may reach as far as `len`. */
static void search(const unsigned char *bytes, size_t starts, size_t len, const char *where)
{
    for (size_t i = 0; i < starts && i + 1 < len; i++) {
        for (int n = first_of[pair_at(bytes + i)]; n >= 0; n = needles[n].next) {
            if (needles[n].len <= len - i &&
                memcmp(bytes + i, needles[n].bytes, needles[n].len) == 0) {
                fprintf(report, "%s\t%s\n", where, needles[n].name);
            }
        }
    }
}

/* Searches what pread gives from `from` to `to`, which may end earlier. Answers how much that was.
 */
static uint64_t search_range(int fd, uint64_t from, uint64_t to, const char *where)
{
    static unsigned char chunk[CHUNK + BYTES_MOST];
    uint64_t at = from;
    size_t kept = 0; /* bytes of the last chunk in which a needle may begin that ends in this one */
    while (at < to) {
        size_t wanted = to - at < CHUNK ? (size_t)(to - at) : CHUNK;
        ssize_t n = pread(fd, chunk + kept, wanted, (off_t)at);
        if (n <= 0) {
            break;
        }
        size_t len = kept + (size_t)n;
        size_t starts = len > BYTES_MOST ? len - BYTES_MOST : 0;
        search(chunk, starts, len, where);
        memmove(chunk, chunk + starts, len - starts);
        kept = len - starts;
        at += (uint64_t)n;
    }
    search(chunk, kept, kept, where);
    return at - from;
}

static void search_file(const char *path, const char *where)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        fail(path);
    }
    (void)search_range(fd, 0, UINT64_MAX / 2, where);
    close(fd);
}

/* All mappings of a process that does not run meanwhile; its environment and its arguments, which
 * are what it could hand to children, are among them. */
static void search_memory(pid_t pid, int stop)
{
    char path[64];
    char line[4096];
    char where[512] = "";
    uint64_t from = 0;
    uint64_t to = 0;
    uint64_t total = 0;
    snprintf(path, sizeof path, "/proc/%d/mem", pid);
    int memory = open(path, O_RDONLY | O_CLOEXEC);
    snprintf(path, sizeof path, "/proc/%d/smaps", pid);
    FILE *maps = fopen(path, "r");
    if (memory < 0 || maps == NULL) {
        fail(path);
    }
    while (fgets(line, sizeof line, maps) != NULL) {
        uint64_t begin;
        uint64_t end;
        char name[256] = "anonymous";
        if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*4s %*x %*s %*u %255[^\n]", &begin, &end,
                   name) >= 2) {
            from = begin;
            to = end;
            snprintf(where, sizeof where, "stop %d %s", stop, name);
        } else if (strncmp(line, "VmFlags:", 8) == 0 && strstr(where, "[v") == NULL) {
            if (strstr(line, " dd") != NULL) {
                strcat(where, " undumped");
            }
            total += search_range(memory, from, to, where);
        }
    }
    fclose(maps);
    close(memory);
    fprintf(report, "stop %d\tsearched %" PRIu64 " bytes\n", stop, total);
}

/* Runs a command and searches it at its stops. Answers its exit status, 128 and its signal for a
 * killed one. */
static int run(char **argv, int abort_at)
{
    pid_t pid = fork();
    if (pid < 0) {
        fail("fork");
    }
    if (pid == 0) {
        struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
        (void)setrlimit(RLIMIT_CORE, &unlimited);
        execvp(argv[0], argv);
        fail(argv[0]);
    }
    for (int stop = 1;; stop++) {
        int status;
        while (waitpid(pid, &status, WUNTRACED) < 0) {
            if (errno != EINTR) {
                fail("waitpid");
            }
        }
        if (!WIFSTOPPED(status)) {
            return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        }
        search_memory(pid, stop);
        if (stop == abort_at) {
            kill(pid, SIGABRT);
        }
        kill(pid, SIGCONT);
    }
}

int main(int argc, char **argv)
{
    report = stdout;
    if (argc >= 4 && strcmp(argv[2], "files") == 0) {
        read_needles(argv[1]);
        for (int i = 3; i < argc; i++) {
            search_file(argv[i], argv[i]);
        }
        return 0;
    }
    if (argc >= 6 && strcmp(argv[2], "run") == 0) {
        read_needles(argv[1]);
        report = fopen(argv[3], "w");
        if (report == NULL) {
            fail(argv[3]);
        }
        int status = run(argv + 5, atoi(argv[4]));
        fclose(report);
        return status;
    }
    fprintf(stderr,
            "usage: memory_search NEEDLES files FILE... | run REPORT ABORT_AT COMMAND...\n");
    return 2;
}
