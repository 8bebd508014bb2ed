/* compare_report.h - the results of `arenite compare` as a table or as JSON.
 * Layer: cli (may use libc, jansson). */
#ifndef ARENITE_CLI_COMPARE_REPORT_H
#define ARENITE_CLI_COMPARE_REPORT_H

#include "cli/contest.h"

/* Both print to stdout. CLI_OK, or CLI_FAILED when it cannot be written. */
int compare_print_table(const struct contest *contest);
int compare_print_json(const struct contest *contest, char **command);

/* On stderr: whose runs failed and with which last words, whose output differs. */
void compare_say_findings(const struct contest *contest);

#endif
