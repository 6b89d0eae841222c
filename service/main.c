/* main - the command line: which command, with which settings. */

#include <getopt.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "app/export_command.h"
#include "app/import_command.h"
#include "app/mend.h"
#include "app/migrate.h"
#include "app/offsets.h"
#include "app/replay.h"
#include "app/service.h"
#include "app/settings.h"
#include "app/topics.h"
#include "base/stop.h"
#include "base/units.h"

#ifndef USAGED_VERSION
#define USAGED_VERSION "0.1.0"
#endif

extern char **environ;

enum { EXIT_USAGE = 2, SETS_MAX = 256, KEEP_MAX = 8 * 1024 * 1024 /* bytes of one piece */ };

enum option_code {
    OPTION_SET = 256, /* above every character */
    OPTION_HELP,
    OPTION_VERSION,
    /* those of one command: */
    OPTION_PRINT,
    OPTION_ROLE,
    OPTION_CREATE,
    OPTION_PARTITIONS,
    OPTION_REPLICATION,
    OPTION_MEND,
    OPTION_AT,
    OPTION_YES,
    OPTION_REASON,
    OPTION_TOPIC,
    OPTION_FROM,
    OPTION_TO,
    OPTION_LIMIT,
    OPTION_MAX_REPLAYS,
    OPTION_DRY_RUN,
    OPTION_FILTER,
    OPTION_FIELDS,
    OPTION_SORT,
    OPTION_FORMAT,
    OPTION_OUTPUT,
    OPTION_REJECTED,
    OPTION_NO_WAIT,
    OPTION_MARKDOWN
};

static const struct option options[] = {
    {"set", required_argument, NULL, OPTION_SET},
    {"help", no_argument, NULL, OPTION_HELP},
    {"version", no_argument, NULL, OPTION_VERSION},
    {"print", no_argument, NULL, OPTION_PRINT},
    {"role", required_argument, NULL, OPTION_ROLE},
    {"create", no_argument, NULL, OPTION_CREATE},
    {"partitions", required_argument, NULL, OPTION_PARTITIONS},
    {"replication", required_argument, NULL, OPTION_REPLICATION},
    {"mend", required_argument, NULL, OPTION_MEND},
    {"at", required_argument, NULL, OPTION_AT},
    {"yes", no_argument, NULL, OPTION_YES},
    {"reason", required_argument, NULL, OPTION_REASON},
    {"topic", required_argument, NULL, OPTION_TOPIC},
    {"from", required_argument, NULL, OPTION_FROM},
    {"to", required_argument, NULL, OPTION_TO},
    {"limit", required_argument, NULL, OPTION_LIMIT},
    {"max-replays", required_argument, NULL, OPTION_MAX_REPLAYS},
    {"dry-run", no_argument, NULL, OPTION_DRY_RUN},
    {"filter", required_argument, NULL, OPTION_FILTER},
    {"fields", required_argument, NULL, OPTION_FIELDS},
    {"sort", required_argument, NULL, OPTION_SORT},
    {"format", required_argument, NULL, OPTION_FORMAT},
    {"output", required_argument, NULL, OPTION_OUTPUT},
    {"rejected", required_argument, NULL, OPTION_REJECTED},
    {"no-wait", no_argument, NULL, OPTION_NO_WAIT},
    {"markdown", no_argument, NULL, OPTION_MARKDOWN},
    {NULL, 0, NULL, 0}};

struct line {
    const char *command;
    const char *file;
    char *sets[SETS_MAX];
    int set_count;
    struct migrate_options migrate;
    struct topics_options topics;
    struct replay_options replay;
    struct mend_options mend;
    struct export_options export;
    struct import_options import;
    bool markdown, help;
    int seen[OPTION_MARKDOWN - OPTION_PRINT + 1]; /* options of one command that were given */
};

/* --- commands ------------------------------------------------------------------------------- */

static int run_settings(const struct line *line, const struct settings *s)
{
    (void)line;
    settings_print(s, stdout);
    return 0;
}

static int run_migrate(const struct line *line, const struct settings *s)
{
    return migrate_run(s, &line->migrate);
}

static int run_topics(const struct line *line, const struct settings *s)
{
    return topics_run(s, &line->topics);
}

static int run_offsets(const struct line *line, const struct settings *s)
{
    return line->mend.topic ? mend_run(s, &line->mend) : offsets_run(s);
}

static int run_replay(const struct line *line, const struct settings *s)
{
    return replay_run(s, &line->replay);
}

static int run_export(const struct line *line, const struct settings *s)
{
    return export_run(s, &line->export);
}

static int run_import(const struct line *line, const struct settings *s)
{
    return import_run(s, &line->import);
}

static int run_service(const struct line *line, const struct settings *s)
{
    (void)line;
    return service_run(s);
}

struct command {
    const char *name;
    int (*run)(const struct line *line, const struct settings *s);
    enum option_code options[8]; /* its own, 0-terminated */
    const char *synopsis, *help;
};

static const struct command commands[] = {
    {"run", run_service, {0}, "run", "takes records from Kafka, serves the API, until SIGTERM"},
    {"migrate",
     run_migrate,
     {OPTION_PRINT, OPTION_ROLE},
     "migrate [--print] [--role NAME]",
     "brings the database to this program's schema and grants the\n"
     "                        run-time role (usaged) its rights; --print: prints the SQL instead"},
    {"topics",
     run_topics,
     {OPTION_CREATE, OPTION_PARTITIONS, OPTION_REPLICATION},
     "topics [--create [--partitions N] [--replication N]]",
     "checks that the topics are there and fit; --create makes those\n"
     "                        that are missing (without N: the broker's default)"},
    {"offsets",
     run_offsets,
     {OPTION_MEND, OPTION_AT, OPTION_YES},
     "offsets [--mend TOPIC:PARTITION --at OFFSET [--yes]]",
     "a line a partition: low, high, stored, published, outbox, verdict;\n"
     "                        --mend, with usaged stopped: lets a refused partition go on at\n"
     "                        OFFSET. What the outbox holds from there up to stored is\n"
     "                        published; else it is read from there, and its outbox given up\n"
     "                        (not so what is ahead of published, if OFFSET is above stored).\n"
     "                        Says what is skipped, repeated, given up; --yes: and does it"},
    {"replay",
     run_replay,
     {OPTION_REASON, OPTION_TOPIC, OPTION_FROM, OPTION_TO, OPTION_LIMIT, OPTION_MAX_REPLAYS,
      OPTION_DRY_RUN},
     "replay [--reason R,..] [--topic T,..] [--from TIME] [--to TIME] [--limit N]\n"
     "         [--max-replays N] [--dry-run]",
     "sends dead letters back to the topics that they came from, each\n"
     "                        once, however often it is run; --reason, --topic: of these only;\n"
     "                        --from, --to: a date or a time, of the dead letter; --max-replays:\n"
     "                        a record sent back so often is left out (3); --dry-run: counts only"},
    {"export",
     run_export,
     {OPTION_FORMAT, OPTION_FROM, OPTION_TO, OPTION_FILTER, OPTION_FIELDS, OPTION_SORT,
      OPTION_OUTPUT},
     "export --format csv|ndjson [--from TIME] [--to TIME] [--filter QUERY]\n"
     "         [--fields NAME,..] [--sort NAME,..] [-o FILE]",
     "writes usages to FILE, which is there once it is whole, or to\n"
     "                        standard output; --from, --to: a date or a time, of the usage, the\n"
     "                        last not included; --filter, --fields, --sort: as of GET usage"},
    {"import",
     run_import,
     {OPTION_FORMAT, OPTION_REJECTED, OPTION_DRY_RUN, OPTION_NO_WAIT},
     "import FILE [--format csv|ndjson] [--rejected FILE] [--dry-run] [--no-wait]",
     "sends the usages of FILE, or of standard input (-), to the first\n"
     "                        topic of topic.import, and waits for what becomes of them: counts\n"
     "                        by outcome, and line number and reason of what is no usage in\n"
     "                        FILE.rejected (--rejected: elsewhere; exit 1). The same again\n"
     "                        changes nothing; --dry-run: only checks; --no-wait: only sends"},
    {"settings",
     run_settings,
     {OPTION_MARKDOWN},
     "settings [--markdown]",
     "prints each setting's value and where it came from; --markdown:\n"
     "                        the table of all settings instead"},
};

enum { COMMANDS = sizeof commands / sizeof commands[0] };

/* One word behind the command. */
static bool takes_file(const struct command *command)
{
    return command->run == run_import;
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static void print_command_help(const struct command *command)
{
    printf("usage: usaged [-c FILE] [--set NAME=VALUE]... %s\n\n                        %s\n\n"
           "`usaged --help` tells all commands, examples, exit codes and settings.\n",
           command->synopsis, command->help);
}

static void print_help(void)
{
    puts("usaged " USAGED_VERSION
         " - TMF635 usage mediation: Kafka to PostgreSQL to Kafka, exactly once\n\n"
         "usage: usaged [-c FILE] [--set NAME=VALUE]... COMMAND\n\ncommands:");
    for (size_t i = 0; i < COMMANDS; i++)
        printf("  %s\n                        %s\n", commands[i].synopsis, commands[i].help);
    puts("\noptions, before or behind the command:\n"
         "  -c FILE               reads settings from an INI file\n"
         "  --set NAME=VALUE      sets one setting; wins over environment and file\n"
         "  --version, --help, -h (`usaged help COMMAND`: of one command)\n\n"
         "examples:\n"
         "  usaged -c /etc/usaged.ini run\n"
         "  usaged migrate --set database.url=postgresql://usaged_owner@db.example/usaged\n"
         "  usaged topics --create --partitions 12 --replication 3\n"
         "  usaged export --format csv --from 2026-11-01 --to 2026-12-01 -o november.csv\n"
         "  usaged import november.csv\n"
         "  usaged replay --reason schema-unknown --from 2026-11-23 --dry-run\n"
         "  USAGED_KAFKA_SASL_PASSWORD_FILE=/run/secrets/kafka usaged -c /etc/usaged.ini run\n\n"
         "exit: 0 done, or stopped as asked; 1 cannot start or go on; 2 bad settings or usage\n\n"
         "settings, each with its default; in a file `batch.records = 100`, in the environment "
         "USAGED_BATCH_RECORDS,\n"
         "or USAGED_BATCH_RECORDS_FILE for a file that holds the value. kafka.* may be any setting "
         "of librdkafka's:\n");
    settings_help(stdout);
}

/* --- the line ------------------------------------------------------------------------------- */

static bool complain(const char *what, const char *which)
{
    fprintf(stderr, "usaged: %s%s; `usaged --help` tells how it is called\n", what, which);
    return false;
}

static bool take_count(const char *name, const char *text, int max, int *out)
{
    int64_t number;
    if (!units_integer(text, &number) || number < 1 || number > max) {
        fprintf(stderr, "usaged: option --%s: \"%s\" is not in 1 to %d\n", name, text, max);
        return false;
    }
    *out = (int)number;
    return true;
}

/* A role's name goes into SQL; quoting takes care of these characters, and no one needs others. */
static bool take_role(struct line *line, const char *name)
{
    static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.@";
    line->migrate.role = name;
    if (*name && strlen(name) < 64 && name[strspn(name, good)] == 0)
        return true;
    return complain("--role wants a name of letters, digits, _ - . and @", "");
}

/* A topic has no colon in its name. */
static bool take_place(struct mend_options *mend, char *text)
{
    int64_t number;
    char *colon = strrchr(text, ':');
    if (!colon || colon == text || !units_integer(colon + 1, &number) || number < 0 ||
        number > INT32_MAX)
        return complain("--mend wants TOPIC:PARTITION, as in usage.raw:3, not ", text);
    *colon = 0;
    mend->topic = text;
    mend->partition = (int)number;
    return true;
}

static bool take_offset(struct mend_options *mend, const char *text)
{
    if (!units_integer(text, &mend->at) || mend->at < 0 || mend->at == INT64_MAX)
        return complain("--at wants an offset, a number from 0 on, not ", text);
    return true;
}

static bool take_option(struct line *line, int code, const char *bad)
{
    if (code == 'o')
        code = OPTION_OUTPUT;
    if (code >= OPTION_PRINT && code <= OPTION_MARKDOWN)
        line->seen[code - OPTION_PRINT] = 1;
    switch (code) {
    case 'c':
        if (line->file)
            return complain("-c may be given once", "");
        line->file = optarg;
        return true;
    case OPTION_SET:
        if (line->set_count == SETS_MAX)
            return complain("too many --set", "");
        line->sets[line->set_count++] = optarg;
        return true;
    case OPTION_PRINT:
        line->migrate.print = true;
        return true;
    case OPTION_ROLE:
        return take_role(line, optarg);
    case OPTION_CREATE:
        line->topics.create = true;
        return true;
    case OPTION_PARTITIONS:
        return take_count("partitions", optarg, 100000, &line->topics.partitions);
    case OPTION_REPLICATION:
        return take_count("replication", optarg, 100, &line->topics.replication);
    case OPTION_MEND:
        return take_place(&line->mend, optarg);
    case OPTION_AT:
        return take_offset(&line->mend, optarg);
    case OPTION_YES:
        line->mend.yes = true;
        return true;
    case OPTION_REASON:
        line->replay.reasons = optarg;
        return true;
    case OPTION_TOPIC:
        line->replay.topics = optarg;
        return true;
    case OPTION_FROM:
        line->replay.from = line->export.from = optarg;
        return true;
    case OPTION_TO:
        line->replay.to = line->export.to = optarg;
        return true;
    case OPTION_LIMIT:
        line->replay.limit = optarg;
        return true;
    case OPTION_MAX_REPLAYS:
        line->replay.max_replays = optarg;
        return true;
    case OPTION_DRY_RUN:
        line->replay.dry_run = line->import.dry_run = true;
        return true;
    case OPTION_FILTER:
        line->export.filter = optarg;
        return true;
    case OPTION_FIELDS:
        line->export.fields = optarg;
        return true;
    case OPTION_SORT:
        line->export.sort = optarg;
        return true;
    case OPTION_FORMAT:
        line->export.format = line->import.format = optarg;
        return true;
    case OPTION_OUTPUT:
        line->export.output = optarg;
        return true;
    case OPTION_REJECTED:
        line->import.rejected = optarg;
        return true;
    case OPTION_NO_WAIT:
        line->import.no_wait = true;
        return true;
    case OPTION_MARKDOWN:
        line->markdown = true;
        return true;
    case ':':
        return complain("a value is missing behind ", bad);
    default:
        return complain("there is no option ", bad);
    }
}

/* Options of one command go with it alone. */
static bool fits(const struct line *line, const struct command *command)
{
    for (int i = 0; i <= OPTION_MARKDOWN - OPTION_PRINT; i++) {
        bool own = !line->seen[i];
        for (int j = 0; command->options[j]; j++)
            own = own || (int)command->options[j] == OPTION_PRINT + i;
        for (const struct option *o = options; !own && o->name; o++)
            if (o->val == OPTION_PRINT + i) {
                fprintf(stderr, "usaged: --%s does not go with %s\n", o->name, command->name);
                return false;
            }
    }
    if (line->mend.topic && line->mend.at < 0)
        return complain("--mend wants --at OFFSET, where the partition is to go on", "");
    if (!line->mend.topic && (line->mend.at >= 0 || line->mend.yes))
        return complain("--at and --yes go with --mend TOPIC:PARTITION", "");
    bool counts = line->topics.partitions > 0 || line->topics.replication > 0;
    return !counts || line->topics.create ||
           complain("--partitions and --replication go with --create", "");
}

/* Returns the exit code, or -1: go on with *command. */
static int read_line(int argc, char **argv, struct line *line, const struct command **command)
{
    opterr = 0;
    for (int code; (code = getopt_long(argc, argv, ":c:o:h", options, NULL)) != -1;) {
        if (code == OPTION_VERSION) {
            puts("usaged " USAGED_VERSION);
            return 0;
        }
        if (code == OPTION_HELP || code == 'h') {
            line->help = true;
            continue;
        }
        char letter[3] = {'-', (char)optopt,
                          0}; /* of several behind one dash, getopt tells which */
        bool short_one = code == '?' && optopt > 0 && optopt < OPTION_SET;
        if (!take_option(line, code, short_one ? letter : argv[optind - 1]))
            return EXIT_USAGE;
    }
    int words = argc - optind;
    if (words > 0 && strcmp(argv[optind], "help") == 0) {
        line->help = true;
        optind++;
        words--;
    }
    if (line->help) {
        const struct command *named = words > 0 ? find_command(argv[optind]) : NULL;
        if (words > 0 && !named) {
            complain("there is no command ", argv[optind]);
            return EXIT_USAGE;
        }
        if (named)
            print_command_help(named);
        else
            print_help();
        return 0;
    }
    if (words == 0)
        complain("no command", "");
    else if (!(*command = find_command(argv[optind])))
        complain("there is no command ", argv[optind]);
    else if (words > 1 + takes_file(*command))
        complain("one word too many: ", argv[optind + 1 + takes_file(*command)]);
    else if (words == 1 && takes_file(*command))
        complain("import wants a FILE, or - for standard input", "");
    else if (fits(line, *command)) {
        line->import.file = argv[optind + 1]; /* NULL without one */
        return -1;
    }
    return EXIT_USAGE;
}

/* librdkafka's threads would each get an arena of their own from malloc, and keep what they once
 * needed. And what is larger than a batch needs again goes back to the system when it is freed: by
 * itself malloc learns from the first giant that giants are usual, and keeps them (peak among
 * records of every limit: 109 to 147 MiB before, 69 to 72 after; ingestion has no such pieces). */
static void keep_little_memory(void)
{
    mallopt(M_ARENA_MAX, 2);
    mallopt(M_MMAP_THRESHOLD, KEEP_MAX);
}

int main(int argc, char **argv)
{
    keep_little_memory();
    struct line line = {.migrate.role = "usaged", .mend.at = -1};
    const struct command *command = NULL;
    int code = read_line(argc, argv, &line, &command);
    if (code >= 0)
        return code;
    if (line.markdown) {
        settings_markdown(stdout);
        return 0;
    }
    struct settings *s = settings_read(line.file, environ, line.sets, line.set_count, stderr);
    if (!s)
        return EXIT_USAGE;
    log_set_level(s->log_level);
    if (command->run != run_settings)
        stop_init();
    code = command->run(&line, s);
    settings_free(s);
    return code;
}
