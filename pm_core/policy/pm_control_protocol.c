/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/policy/pm_control_protocol.h"

#include <errno.h>
#include <string.h>

#include "apr_strings.h"

/* Arguments: capitals stand for a value, small letters for themselves, brackets
 * for what can be left out. */
static const struct protocol_row {
    const char *word;
    pm_verb_t verb;
    const char *args;
    pm_right_t right;
} words[] = {{"ping", PM_VERB_PING, "", PM_RIGHT_ASK},
             {"status", PM_VERB_STATUS, "[POOL]", PM_RIGHT_ASK},
             {"config", PM_VERB_CONFIG, "[POOL]", PM_RIGHT_ALL},
             {"reload", PM_VERB_RELOAD, "[POOL] [wait]", PM_RIGHT_ALL},
             {"start", PM_VERB_START, "POOL", PM_RIGHT_ALL},
             {"stop", PM_VERB_STOP, "POOL", PM_RIGHT_ALL},
             {"drain", PM_VERB_DRAIN, "[POOL]", PM_RIGHT_ALL},
             {"scale", PM_VERB_SCALE, "POOL MIN [MAX]", PM_RIGHT_ALL},
             {"kill", PM_VERB_KILL, "PID", PM_RIGHT_ALL},
             {"script", PM_VERB_SCRIPT, "CONFIG HOST PATH", PM_RIGHT_ASK},
             {NULL, PM_VERB_PING, "", PM_RIGHT_NONE}};

typedef struct word {
    const char *text;
    apr_size_t len;
} word_t;

static int word_is(const word_t *word, const char *text)
{
    return strlen(text) == word->len && !memcmp(text, word->text, word->len);
}

/* --- values --------------------------------------------------------------- */

static int take_pool(pm_request_t *req, const word_t *word)
{
    if (word->len >= sizeof(req->pool)) {
        return 0;
    }
    memcpy(req->pool, word->text, word->len);
    req->pool[word->len] = '\0';
    return 1;
}

static int take_number(pm_request_t *req, const word_t *word)
{
    apr_int64_t n = 0;
    apr_size_t i;

    if (word->len > 9) {
        return 0;
    }
    for (i = 0; i < word->len; i++) {
        if (word->text[i] < '0' || word->text[i] > '9') {
            return 0;
        }
        n = n * 10 + (word->text[i] - '0');
    }
    req->number[req->n++] = n;
    return 1;
}

static int take_host(pm_request_t *req, const word_t *word)
{
    req->host = word->text;
    req->host_len = word->len;
    return 1;
}

static int take_path(pm_request_t *req, const word_t *word)
{
    req->path = word->text;
    req->path_len = word->len;
    return 1;
}

static int take_wait(pm_request_t *req, const word_t *word)
{
    return req->wait = word_is(word, "wait");
}

static const struct {
    const char *name;
    int (*take)(pm_request_t *req, const word_t *word);
} values[] = {{"POOL", take_pool},  {"MIN", take_number},
              {"MAX", take_number}, {"PID", take_number},
              {"wait", take_wait},  {"CONFIG", take_number},
              {"HOST", take_host},  {"PATH", take_path}};

static int take_value(pm_request_t *req, const word_t *arg, const word_t *word)
{
    unsigned i;

    for (i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        if (word_is(arg, values[i].name)) {
            return values[i].take(req, word);
        }
    }
    return 0;
}

/* --- a line --------------------------------------------------------------- */

/* Splits a line into max words; those it does not have are empty.  @return how
 * many it has; max + 1: more than max */
static int split_words(const char *line, word_t *word, int max)
{
    int n = 0;

    for (; n < max; n++) {
        word[n] = (word_t){"", 0};
    }
    for (n = 0;;) {
        line += strspn(line, " \t\r");
        if (!*line || n == max) {
            return n + (*line != '\0');
        }
        word[n].text = line;
        word[n].len = strcspn(line, " \t\r");
        line += word[n++].len;
    }
}

/* The arguments of a row, without brackets.  @return how many */
static int read_args(const char *args, word_t *arg, int *optional)
{
    int n = split_words(args, arg, PM_CONTROL_PROTOCOL_WORDS + 1);
    int i;

    for (i = 0; i < n && i < PM_CONTROL_PROTOCOL_WORDS; i++) {
        optional[i] = arg[i].text[0] == '[';
        arg[i].text += optional[i];
        arg[i].len -= optional[i] ? 2 : 0;
    }
    return n;
}

/* Does the argument stand for itself, and is it the word? */
static int is_literal(const word_t *arg, const word_t *word)
{
    return arg->text[0] >= 'a' && arg->len == word->len
           && !memcmp(arg->text, word->text, word->len);
}

/* An argument that can be left out leaves the last word to the next argument if
 * that is this very word. */
static int match_args(pm_request_t *req, const char *args, const word_t *word,
                      int nwords)
{
    word_t arg[PM_CONTROL_PROTOCOL_WORDS + 1];
    int optional[PM_CONTROL_PROTOCOL_WORDS] = {0};
    int nargs = read_args(args, arg, optional);
    int used = 0;
    int i;

    for (i = 0; i < nargs && i < PM_CONTROL_PROTOCOL_WORDS; i++) {
        if (optional[i]
            && (used == nwords
                || (used == nwords - 1
                    && is_literal(&arg[i + 1], &word[used])))) {
            continue;
        }
        if (used == nwords || !take_value(req, &arg[i], &word[used++])) {
            return 0;
        }
    }
    return used == nwords;
}

apr_status_t pm_control_protocol_parse(pm_request_t *req, const char *line,
                                       pm_right_t right, pm_reason_t *why)
{
    word_t word[PM_CONTROL_PROTOCOL_WORDS];
    int n = split_words(line, word, PM_CONTROL_PROTOCOL_WORDS);
    const struct protocol_row *row;

    for (row = words; row->word && !(n && word_is(&word[0], row->word));
         row++) {
        ;
    }
    if (!row->word) {
        return pm_fail(why, APR_EINVAL, "\"%.*s\" is not a command",
                       n ? (int)(word[0].len < 40 ? word[0].len : 40) : 0,
                       n ? word[0].text : "");
    }
    if (right < row->right) {
        return pm_fail(why, EACCES, "you may not %s", row->word);
    }
    memset(req, 0, sizeof(*req));
    req->verb = row->verb;
    if (n > PM_CONTROL_PROTOCOL_WORDS
        || !match_args(req, row->args, word + 1, n - 1)) {
        return pm_fail(why, APR_EINVAL, "usage: %s%s%s", row->word,
                       row->args[0] ? " " : "", row->args);
    }
    return APR_SUCCESS;
}

const char *pm_control_protocol_word(int i, const char **args)
{
    if (i < 0 || i >= (int)(sizeof(words) / sizeof(words[0]))) {
        return NULL;
    }
    *args = words[i].args;
    return words[i].word;
}

int pm_control_protocol_is_last(const char *line)
{
    return line[0] == '{' || !strcmp(line, "ok") || !strncmp(line, "ok ", 3)
           || !strncmp(line, "error ", 6);
}
