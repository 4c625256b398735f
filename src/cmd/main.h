/* SPDX-License-Identifier: Apache-2.0
 * What main() hands over to: words every command shares, then the command itself. */
#ifndef TH_CMD_MAIN_H
#define TH_CMD_MAIN_H

int cmd_main(int argc, char **argv);

#endif
