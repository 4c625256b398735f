/* SPDX-License-Identifier: Apache-2.0
 * The command table; nothing else. */
#include "cmd/cmd.h"
#include "cmd/main.h"

const cmd_command cmd_commands[] = {
#define COMMAND(name, words, summary, flags, run, help) {name, words, summary, help, flags, run},
#include "cmd/commands.def"
#undef COMMAND
    {NULL, NULL, NULL, NULL, 0, NULL},
};

int main(int argc, char **argv)
{
    return cmd_main(argc, argv);
}
