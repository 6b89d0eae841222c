/* log - one event is one line on standard error: time, level, thread, text, then key=value.
 *
 * Any thread; one write(2) a line. Secrets never come here: callers log names of settings, not
 * values.
 */
#pragma once

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };

/* Lines below `level` are dropped. Default LOG_INFO. */
void log_set_level(enum log_level level);

/* The name of this thread in its lines, at most 15 bytes. */
void log_set_thread(const char *name);

/* log_line(LOG_INFO, "partition taken", "topic=%s partition=%d stored=%lld", ...): the text is for
 * a person and has no data in it; what varies stands in the fields. A value of any text stands in
 * quotes as the last field, "why=\"%s\"": its quotes and backslashes are escaped, and what would
 * not fit into 2,048 bytes is cut off. */
void log_line(enum log_level level, const char *text, const char *fields, ...)
    __attribute__((format(printf, 3, 4)));
