/* libgslcblas and OpenBLAS both export cblas_dgemm. The one that serves must be OpenBLAS: the other is
 * ten times slower and rounds otherwise. */
#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cblas.h>
#include <cmocka.h>

static void test_who_serves(void **state)
{
    (void)state;
    static const char *const names[] = {"cblas_dgemm", "cblas_sgemm", "cblas_ddot"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        Dl_info info = {0};
        void *address = dlsym(RTLD_DEFAULT, names[i]);
        assert_non_null(address);
        assert_true(dladdr(address, &info) != 0);
        if (!strstr(info.dli_fname, "openblas"))
            fail_msg("%s is served by %s; link OpenBLAS before GSL", names[i], info.dli_fname);
    }
}

static void test_it_works(void **state)
{
    (void)state;
    const double a[] = {1, 2, 3, 4}, b[] = {5, 6, 7, 8};
    double c[4] = {0};
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, 2, 2, 2, 1, a, 2, b, 2, 0, c, 2);
    assert_true(c[0] == 19 && c[1] == 22 && c[2] == 43 && c[3] == 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_who_serves),
                                       cmocka_unit_test(test_it_works)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
