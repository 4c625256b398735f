/* SPDX-License-Identifier: Apache-2.0
 * A line editor with history and completion: five functions over libedit. */
#ifndef TH_CMD_LINE_H
#define TH_CMD_LINE_H

#include <stdbool.h>

typedef struct cmd_line cmd_line;

/* history_path may be NULL. NULL: no memory or no terminal. */
cmd_line *cmd_line_open(const char *history_path);
/* A line without its end, valid until the next call; NULL at the end of input (Ctrl-D). *interrupted: Ctrl-C. */
const char *cmd_line_read(cmd_line *line, const char *prompt, bool *interrupted);
/* One whole statement as one entry. */
void cmd_line_add_history(cmd_line *line, const char *statement);
/* Words that Tab completes, ended by NULL; borrowed. */
void cmd_line_set_words(cmd_line *line, const char *const *words);
void cmd_line_close(cmd_line *line);

#endif
