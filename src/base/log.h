/* SPDX-License-Identifier: Apache-2.0
 * Messages for people, on standard error, one line each; never on standard output. Safe from any thread. */
#ifndef TH_BASE_LOG_H
#define TH_BASE_LOG_H

#include "base/err.h"

typedef enum th_log_level { TH_LOG_DEBUG, TH_LOG_INFO, TH_LOG_WARN, TH_LOG_ERROR } th_log_level;

/* Below this level nothing is printed; default TH_LOG_INFO (-q: TH_LOG_ERROR). */
void th_log_set_level(th_log_level level);
/* Long-running processes print "TIME LEVEL text" (json: one object a line); commands print the bare text. */
typedef enum th_log_format { TH_LOG_BARE, TH_LOG_LINES, TH_LOG_JSON } th_log_format;
void th_log_set_format(th_log_format format);
void th_log(th_log_level level, const char *fmt, ...) TH_PRINTF(2, 3);

#endif
