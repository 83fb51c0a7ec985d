/* Runs a fuzz target once over each file named on the command line, and over each file of each
 * directory named there. Fails when there is nothing to run, so that a lost corpus is noticed. */
#include "fuzz.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

static size_t inputs;

static void stop(const char *path, const char *what)
{
    fprintf(stderr, "%s: %s\n", path, what);
    exit(1);
}

static void run_file(const char *path, size_t size)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        stop(path, "cannot be opened");
    }
    /* Exactly as large as the input, so that the sanitizers see a read past its end. */
    uint8_t *data = malloc(size > 0 ? size : 1);
    if (data == NULL || fread(data, 1, size, file) != size) {
        stop(path, "cannot be read");
    }
    fclose(file);
    LLVMFuzzerTestOneInput(data, size);
    free(data);
    inputs++;
}

static void run_path(const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0) {
        stop(path, "does not exist");
    }
    if (!S_ISDIR(info.st_mode)) {
        run_file(path, (size_t)info.st_size);
        return;
    }
    DIR *directory = opendir(path);
    if (directory == NULL) {
        stop(path, "cannot be opened");
    }
    for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
        char inner[4096];
        int n = snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
        if (n < 0 || (size_t)n >= sizeof inner) {
            stop(path, "is too long a path");
        }
        if (entry->d_name[0] != '.') {
            run_path(inner);
        }
    }
    closedir(directory);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        run_path(argv[i]);
    }
    if (inputs == 0) {
        stop(argv[0], "no inputs");
    }
    printf("%s: %zu inputs\n", argv[0], inputs);
    return 0;
}
