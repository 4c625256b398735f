/* SPDX-License-Identifier: Apache-2.0
 * A plain main for a fuzz target, for any compiler: feeds it every file named on the command line, and every file of
 * every folder named there, and prints `ok NAME` for each. A find ends the program, as under libFuzzer: the file that
 * did it is the last one named on standard error. Every target is fed the empty input first. */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define DRIVER_FILE_BYTES_MAX (64u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int feed_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        printf("not ok %s: %s\n", path, strerror(errno));
        return 1;
    }
    struct stat info;
    size_t size = fstat(fileno(file), &info) == 0 ? (size_t)info.st_size : 0;
    if (size > DRIVER_FILE_BYTES_MAX) {
        printf("not ok %s: too large for a corpus\n", path);
        fclose(file);
        return 1;
    }
    /* Exactly its size, so that a sanitizer sees the first byte read past the end. */
    uint8_t *bytes = malloc(size > 0 ? size : 1);
    size_t got = bytes == NULL ? 0 : fread(bytes, 1, size, file);
    fclose(file);
    if (bytes == NULL || got != size) {
        printf("not ok %s: could not be read\n", path);
        free(bytes);
        return 1;
    }
    fprintf(stderr, "input %s\n", path);
    (void)LLVMFuzzerTestOneInput(bytes, size);
    free(bytes);
    printf("ok %s\n", path);
    return 0;
}

static int feed_folder(const char *path)
{
    struct dirent **entries = NULL;
    int count = scandir(path, &entries, NULL, alphasort);
    int failures = 0;
    for (int i = 0; i < count; i++) {
        char name[4096];
        int size = snprintf(name, sizeof(name), "%s/%s", path, entries[i]->d_name);
        struct stat info;
        if (size > 0 && (size_t)size < sizeof(name) && stat(name, &info) == 0 &&
            S_ISREG(info.st_mode))
            failures += feed_file(name);
        free(entries[i]);
    }
    free(entries);
    return failures;
}

int main(int argc, char **argv)
{
    static const uint8_t nothing[1];
    int failures = 0;
    (void)LLVMFuzzerTestOneInput(nothing, 0);
    printf("ok the empty input\n");
    for (int i = 1; i < argc; i++) {
        struct stat info;
        if (stat(argv[i], &info) == 0 && S_ISDIR(info.st_mode))
            failures += feed_folder(argv[i]);
        else
            failures += feed_file(argv[i]);
        fflush(stdout);
    }
    return failures == 0 ? 0 : 1;
}
