#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/pseudonym.h"
#include "strata/hash.h"
#include "strata/par.h"

static strata_context ctx;
static char folder[] = "/tmp/strata_key_XXXXXX";
static char path[64], link_path[64];

static void write_file(const char *bytes, size_t n, mode_t mode)
{
    if (ctx.rank == 0) {
        unlink(path);
        FILE *f = fopen(path, "wb");
        assert_non_null(f);
        assert_int_equal(fwrite(bytes, 1, n, f), n);
        assert_int_equal(fclose(f), 0);
        assert_int_equal(chmod(path, mode), 0);
    }
    MPI_Barrier(ctx.comm);
}

static strata_status create(strata_privacy mode, char *file, strata_pseudonymiser **out)
{
    strata_config config;
    memset(&config, 0, sizeof config);
    config.privacy.mode = mode;
    config.privacy.key_file = file;
    strata_status rc = strata_pseudonymiser_create(&ctx, &config, out);
    MPI_Barrier(ctx.comm);
    return rc;
}

static void check(const strata_pseudonymiser *p, const char *id, size_t n, const char *expected)
{
    uint8_t bytes[16];
    char digits[33] = "";
    strata_pseudonym(p, id, (int64_t)n, bytes);
    strata_hex(bytes, digits);
    assert_string_equal(digits, expected);
}

static void check_token(const strata_pseudonymiser *p, const char *id, size_t n, const char *expected)
{
    uint8_t bytes[16];
    char digits[33] = "";
    strata_token(p, id, (int64_t)n, bytes);
    strata_hex(bytes, digits);
    assert_string_equal(digits, expected);
}

/* Expectations from Python: hashlib.blake2b(id, key=key, digest_size=16); of tokens from OpenSSL:
 * openssl mac -macopt hexkey:KEY -macopt size:16 -in FILE SIPHASH, with KEY the first half of
 * hashlib.blake2b(b"strata token key", key=key, digest_size=32). */
static void keyed(void **state)
{
    static const char key[] = " \n0123456789abcdef0123456789abcdef\r\n";
    strata_pseudonymiser *p = NULL;
    struct rlimit before, during, after;
    char user[300];
    (void)state;
    write_file(key, sizeof key - 1, 0600);
    getrlimit(RLIMIT_CORE, &before);
    assert_int_equal(create(STRATA_PRIVACY_KEYED, path, &p), STRATA_OK);
    getrlimit(RLIMIT_CORE, &during);
    assert_int_equal(during.rlim_cur, 0);
    check(p, "", 0, "b2cf8792417c9e5c092d4f049a2cd38a");
    check(p, "12346", 5, "3b4335a3c0d503b3a6e3b7fda52057ca");
    memset(user, 'u', sizeof user);
    check(p, user, sizeof user, "c5af99535acdfdf9684c13f47f724b9b");
    check_token(p, "", 0, "6845eed18ff41f5e018d675b8359704f");
    check_token(p, "12346", 5, "2fb85138af33003b6aa35821cf54b5ba");
    check_token(p, user, sizeof user, "5fe27a32f5da5d2a0b25c94defdc2609");
    assert_string_equal(strata_pseudonymiser_key_id(p), "08b26c3ceb3c32ec");
    strata_pseudonymiser_destroy(&p);
    strata_pseudonymiser_destroy(&p);
    assert_null(p);
    getrlimit(RLIMIT_CORE, &after);
    assert_int_equal(after.rlim_cur, before.rlim_cur);
}

static void long_key(void **state)
{
    char key[100];
    strata_pseudonymiser *p = NULL;
    (void)state;
    memset(key, 'k', sizeof key);
    write_file(key, sizeof key, 0400);
    assert_int_equal(create(STRATA_PRIVACY_KEYED, path, &p), STRATA_OK);
    check(p, "12346", 5, "7ede0bf0c7c68eb85c53b3005b351f11");
    strata_pseudonymiser_destroy(&p);
}

static void plain(void **state)
{
    strata_pseudonymiser *p = NULL;
    (void)state;
    assert_int_equal(create(STRATA_PRIVACY_PLAIN, NULL, &p), STRATA_OK);
    check(p, "12346", 5, "af7be24ee302dae56694c3599528a603");
    check_token(p, "12346", 5, "af7be24ee302dae56694c3599528a603");
    assert_string_equal(strata_pseudonymiser_key_id(p), "");
    strata_pseudonymiser_destroy(&p);
}

static void refuse(char *file, const char *said)
{
    strata_pseudonymiser *p = NULL;
    assert_int_equal(create(STRATA_PRIVACY_KEYED, file, &p), STRATA_ERR_USAGE);
    assert_null(p);
    if (!strstr(ctx.error.message, said) || !strstr(ctx.error.message, "make one: "))
        fail_msg("the message lacks '%s' or the way out: %s", said, ctx.error.message);
    strata_context_clear_error(&ctx);
}

static void bad_keys(void **state)
{
    static char big[5000], blank[64], missing[] = "/nonexistent/strata.key";
    (void)state;
    memset(big, 'x', sizeof big);
    memset(blank, ' ', sizeof blank);
    refuse(NULL, "key_file is not set");
    refuse(missing, "No such file");
    refuse(folder, "not a regular file");
    write_file(big, 40, 0640);
    refuse(path, "mode 0640");
    write_file(big, 40, 0604);
    refuse(path, "mode 0604");
    write_file(big, 40, 0700);
    refuse(path, "mode 0700");
    write_file(big, 31, 0600);
    refuse(path, "holds 31 bytes");
    write_file(big, 0, 0600);
    refuse(path, "holds 0 bytes");
    write_file(big, sizeof big, 0600);
    refuse(path, "at least 4097 bytes");
    write_file(blank, sizeof blank, 0600);
    refuse(path, "blanks");
    write_file(big, 40, 0600);
    if (ctx.rank == 0)
        assert_int_equal(symlink(path, link_path), 0);
    refuse(link_path, "is a link");
    if (ctx.rank == 0 && geteuid() == 0) { /* only root can give a file away */
        assert_int_equal(chown(path, 1, (gid_t)-1), 0);
    }
    if (geteuid() == 0)
        refuse(path, "belongs to another user");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keyed), cmocka_unit_test(long_key), cmocka_unit_test(plain),  cmocka_unit_test(bad_keys),
    };
    MPI_Init(&argc, &argv);
    if (strata_context_init(&ctx, MPI_COMM_WORLD) != STRATA_OK)
        return 1;
    if (ctx.rank == 0 && !mkdtemp(folder))
        return 1;
    MPI_Bcast(folder, sizeof folder, MPI_CHAR, 0, ctx.comm);
    snprintf(path, sizeof path, "%s/key", folder);
    snprintf(link_path, sizeof link_path, "%s/link", folder);
    int failed = cmocka_run_group_tests_name("par/pseudonymiser", tests, NULL, NULL);
    MPI_Barrier(ctx.comm);
    if (ctx.rank == 0) {
        unlink(path);
        unlink(link_path);
        rmdir(folder);
    }
    strata_context_release(&ctx);
    MPI_Finalize();
    return failed;
}
