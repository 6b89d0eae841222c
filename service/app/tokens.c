#include "app/tokens.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include <openssl/sha.h>

enum { LINE_MAX_BYTES = 1024 };

struct token {
    unsigned char digest[SHA256_DIGEST_LENGTH];
    char name[TOKENS_NAME];
    enum tokens_right right;
};

struct tokens {
    const char *file;
    pthread_rwlock_t lock; /* guards the two below */
    struct token *all;     /* ascending by digest */
    size_t count;
};

static int by_digest(const void *a, const void *b)
{
    return memcmp(((const struct token *)a)->digest, ((const struct token *)b)->digest,
                  SHA256_DIGEST_LENGTH);
}

/* --- the file --- */

static const char blanks[] = " \t\r\n";

static bool read_digest(const char *text, unsigned char out[SHA256_DIGEST_LENGTH])
{
    if (strlen(text) != 2 * SHA256_DIGEST_LENGTH)
        return false;
    for (int i = 0; i < SHA256_DIGEST_LENGTH; i++) {
        int high = text_hex_digit(text[2 * i]), low = text_hex_digit(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        out[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

/* What is wrong with the line, or NULL. */
static const char *read_line(char *line, struct token *out)
{
    char *rest = NULL, *digest = strtok_r(line, blanks, &rest),
         *name = strtok_r(NULL, blanks, &rest), *right = strtok_r(NULL, blanks, &rest);
    if (!right || strtok_r(NULL, blanks, &rest))
        return "is not three words: SHA-256 in hex, name, read or write";
    if (!read_digest(digest, out->digest))
        return "does not begin with a SHA-256 in hex (printf %s TOKEN | sha256sum)";
    if (strlen(name) >= TOKENS_NAME || !text_is_utf8(name, strlen(name)))
        return "has a name that is no UTF-8 or longer than 127 bytes";
    memcpy(out->name, name, strlen(name) + 1);
    out->right = strcmp(right, "read") == 0    ? TOKENS_READ
                 : strcmp(right, "write") == 0 ? TOKENS_WRITE
                                               : TOKENS_NONE;
    return out->right == TOKENS_NONE ? "does not end with read or write" : NULL;
}

/* Whether the line did not fit. Its rest is passed over: it is no line of its own. */
static bool is_cut(const char *line, FILE *in)
{
    if (strlen(line) < LINE_MAX_BYTES - 1 || line[LINE_MAX_BYTES - 2] == '\n')
        return false;
    for (int c = 0; c != '\n' && c != EOF;)
        c = getc(in);
    return true;
}

static bool read_lines(const char *file, FILE *in, struct token *all, size_t *count,
                       struct err *err)
{
    char line[LINE_MAX_BYTES];
    for (int number = 1; !feof(in) && !ferror(in) && fgets(line, sizeof line, in); number++) {
        bool cut = is_cut(line, in);
        char first = line[strspn(line, blanks)];
        if (first == '#' || (first == 0 && !cut))
            continue;
        if (*count == TOKENS_MAX)
            return err_set(err, ERR_FATAL, "http.tokens %s has more than %d tokens", file,
                           TOKENS_MAX);
        const char *fault = cut ? "is longer than 1022 bytes" : read_line(line, &all[*count]);
        if (fault)
            return err_set(err, ERR_FATAL, "http.tokens %s, line %d %s", file, number, fault);
        (*count)++;
    }
    return !ferror(in) || err_set(err, ERR_FATAL, "http.tokens %s cannot be read", file);
}

static bool each_once(const char *file, const struct token *all, size_t count, struct err *err)
{
    for (size_t i = 1; i < count; i++)
        if (by_digest(&all[i - 1], &all[i]) == 0)
            return err_set(err, ERR_FATAL, "http.tokens %s has one token twice, as %s and %s", file,
                           all[i - 1].name, all[i].name);
    return true;
}

bool tokens_reload(struct tokens *t, struct err *err)
{
    FILE *in = fopen(t->file, "re");
    if (!in)
        return err_set(err, ERR_FATAL, "http.tokens %s cannot be opened: %s", t->file,
                       strerror(errno));
    struct token *all = calloc(TOKENS_MAX, sizeof *all);
    size_t count = 0;
    if (!all)
        abort();
    bool good = read_lines(t->file, in, all, &count, err);
    fclose(in);
    if (good) {
        qsort(all, count, sizeof *all, by_digest);
        good = each_once(t->file, all, count, err);
    }
    if (good) {
        pthread_rwlock_wrlock(&t->lock);
        struct token *old = t->all;
        t->all = all;
        t->count = count;
        pthread_rwlock_unlock(&t->lock);
        all = old;
    }
    free(all);
    return good;
}

struct tokens *tokens_open(const char *file, struct err *err)
{
    struct tokens *t = calloc(1, sizeof *t);
    if (!t)
        abort();
    t->file = file;
    pthread_rwlock_init(&t->lock, NULL);
    if (tokens_reload(t, err))
        return t;
    tokens_close(t);
    return NULL;
}

void tokens_close(struct tokens *t)
{
    if (!t)
        return;
    pthread_rwlock_destroy(&t->lock);
    free(t->all);
    free(t);
}

/* --- a request --- */

/* "Bearer TOKEN"; the scheme in any case. */
static struct text token_of(struct text header)
{
    static const char scheme[] = "Bearer ";
    size_t n = sizeof scheme - 1;
    if (header.n <= n || strncasecmp(header.p, scheme, n) != 0)
        return (struct text){0};
    struct text token = {header.p + n, header.n - n};
    while (token.n > 0 && *token.p == ' ')
        token = (struct text){token.p + 1, token.n - 1};
    return token;
}

enum tokens_right tokens_of(struct tokens *t, struct text authorization, char name[TOKENS_NAME])
{
    struct text token = token_of(authorization);
    struct token key = {0};
    enum tokens_right right = TOKENS_NONE;
    name[0] = 0;
    if (token.n == 0)
        return TOKENS_NONE;
    SHA256((const unsigned char *)token.p, token.n, key.digest);
    pthread_rwlock_rdlock(&t->lock);
    const struct token *found = bsearch(&key, t->all, t->count, sizeof *t->all, by_digest);
    if (found) {
        right = found->right;
        memcpy(name, found->name, sizeof found->name);
    }
    pthread_rwlock_unlock(&t->lock);
    return right;
}
