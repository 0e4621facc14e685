/* table.h: the commands, in the order of the help. One line each; see command.h. */
#ifndef STRATA_COMMANDS_TABLE_H
#define STRATA_COMMANDS_TABLE_H

#define STRATA_COMMANDS(X)                                                                         \
    X(run)                                                                                         \
    X(cluster)                                                                                     \
    X(bench)                                                                                       \
    X(generate)                                                                                    \
    X(inspect)                                                                                     \
    X(verify)                                                                                      \
    X(help)                                                                                        \
    X(version)                                                                                     \
    X(build_info)

#endif
