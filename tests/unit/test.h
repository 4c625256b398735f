/* SPDX-License-Identifier: Apache-2.0
 * A unit test program: TEST(name) { CHECK(...); } and one TEST_MAIN(name, ...) at the end.
 *
 * It prints `ok NAME` or `not ok NAME: FILE:LINE: what` for each test and ends with 1 when one failed. A failed check
 * ends its test, not the program. With arguments only the tests whose name contains one of them run. Checks may stand
 * in helper functions; they must run on the thread that called the test (they jump back to the runner). */
#ifndef TH_TESTS_UNIT_TEST_H
#define TH_TESTS_UNIT_TEST_H

#include <inttypes.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct test_case {
    const char *name;
    void (*run)(void);
} test_case;

static jmp_buf test_failed;
static const char *test_name;

#define TEST(name) static void name##_test(void)

/* All that a failed check does; prints once, then leaves the test. */
_Noreturn static inline void test_leave(void)
{
    fflush(stdout);
    longjmp(test_failed, 1);
}

#define FAIL(...)                                                    \
    do {                                                             \
        printf("not ok %s: %s:%d: ", test_name, __FILE__, __LINE__); \
        printf(__VA_ARGS__);                                         \
        printf("\n");                                                \
        test_leave();                                                \
    } while (0)

#define CHECK(cond)                     \
    do {                                \
        if (!(cond)) FAIL("%s", #cond); \
    } while (0)

static inline void test_check_i64(const char *file, int line, const char *expr, int64_t got,
                                  int64_t wanted)
{
    if (got == wanted) return;
    printf("not ok %s: %s:%d: %s is %" PRId64 ", wanted %" PRId64 "\n", test_name, file, line, expr,
           got, wanted);
    test_leave();
}

static inline void test_check_u64(const char *file, int line, const char *expr, uint64_t got,
                                  uint64_t wanted)
{
    if (got == wanted) return;
    printf("not ok %s: %s:%d: %s is %" PRIu64 ", wanted %" PRIu64 "\n", test_name, file, line, expr,
           got, wanted);
    test_leave();
}

/* Bytes as a person reads them: what does not print is shown as \xHH. */
static inline void test_print_bytes(const void *bytes, size_t size)
{
    const unsigned char *p = (const unsigned char *)bytes;
    putchar('"');
    for (size_t i = 0; i < size && i < 400; i++) {
        if (p[i] >= 0x20 && p[i] < 0x7f)
            putchar(p[i]);
        else
            printf("\\x%02x", p[i]);
    }
    printf(size > 400 ? "\"... (%zu bytes)" : "\"", size);
}

static inline void test_check_bytes(const char *file, int line, const char *expr, const void *got,
                                    size_t got_size, const void *wanted, size_t wanted_size)
{
    if (got_size == wanted_size && (got_size == 0 || memcmp(got, wanted, got_size) == 0)) return;
    printf("not ok %s: %s:%d: %s is ", test_name, file, line, expr);
    test_print_bytes(got, got_size);
    printf(", wanted ");
    test_print_bytes(wanted, wanted_size);
    printf("\n");
    test_leave();
}

static inline void test_check_str(const char *file, int line, const char *expr, const char *got,
                                  const char *wanted)
{
    if (got == NULL || wanted == NULL) {
        if (got == wanted) return;
        printf("not ok %s: %s:%d: %s is %s, wanted %s\n", test_name, file, line, expr,
               got == NULL ? "NULL" : got, wanted == NULL ? "NULL" : wanted);
        test_leave();
    }
    test_check_bytes(file, line, expr, got, strlen(got), wanted, strlen(wanted));
}

#define CHECK_EQ_I64(got, wanted) \
    test_check_i64(__FILE__, __LINE__, #got, (int64_t)(got), (int64_t)(wanted))
#define CHECK_EQ_U64(got, wanted) \
    test_check_u64(__FILE__, __LINE__, #got, (uint64_t)(got), (uint64_t)(wanted))
#define CHECK_EQ_STR(got, wanted) test_check_str(__FILE__, __LINE__, #got, (got), (wanted))
#define CHECK_EQ_BYTES(got, got_size, wanted, wanted_size) \
    test_check_bytes(__FILE__, __LINE__, #got, (got), (got_size), (wanted), (wanted_size))
/* slice: anything with `bytes` and `size` (th_slice); text: a string literal, which may hold \0. */
#define CHECK_SLICE(slice, text)                                                      \
    do {                                                                              \
        __typeof__(slice) slice_ = (slice);                                           \
        test_check_bytes(__FILE__, __LINE__, #slice, slice_.bytes, slice_.size, text, \
                         sizeof(text) - 1);                                           \
    } while (0)

static inline bool test_wanted(const char *name, int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strstr(name, argv[i]) != NULL) return true;
    return argc <= 1;
}

static inline int test_run_all(const test_case *cases, size_t count, int argc, char **argv)
{
    volatile size_t failures = 0;
    for (volatile size_t i = 0; i < count; i++) {
        if (!test_wanted(cases[i].name, argc, argv)) continue;
        test_name = cases[i].name;
        if (setjmp(test_failed) == 0) {
            cases[i].run();
            printf("ok %s\n", cases[i].name);
        } else {
            failures++;
        }
        fflush(stdout);
    }
    return failures == 0 ? 0 : 1;
}

/* TEST_MAIN(a, b, ...): up to 80 names. */
#define TEST_CASE_(name) {#name, name##_test},
#define TEST_MAIN(...)                                                            \
    int main(int argc, char **argv)                                               \
    {                                                                             \
        static const test_case cases[] = {TEST_EACH_(TEST_CASE_, __VA_ARGS__)};   \
        return test_run_all(cases, sizeof(cases) / sizeof(cases[0]), argc, argv); \
    }

/* TEST_EACH_(m, a, b) expands to m(a) m(b): rescanned often enough for 80 names. */
#define TEST_PARENS_ ()
#define TEST_EXPAND_(...) TEST_EXPAND3_(TEST_EXPAND3_(TEST_EXPAND3_(TEST_EXPAND3_(__VA_ARGS__))))
#define TEST_EXPAND3_(...) TEST_EXPAND2_(TEST_EXPAND2_(TEST_EXPAND2_(TEST_EXPAND2_(__VA_ARGS__))))
#define TEST_EXPAND2_(...) TEST_EXPAND1_(TEST_EXPAND1_(TEST_EXPAND1_(TEST_EXPAND1_(__VA_ARGS__))))
#define TEST_EXPAND1_(...) __VA_ARGS__
#define TEST_EACH_(m, ...) __VA_OPT__(TEST_EXPAND_(TEST_EACH_STEP_(m, __VA_ARGS__)))
#define TEST_EACH_STEP_(m, a, ...) m(a) __VA_OPT__(TEST_EACH_AGAIN_ TEST_PARENS_(m, __VA_ARGS__))
#define TEST_EACH_AGAIN_() TEST_EACH_STEP_

#endif
