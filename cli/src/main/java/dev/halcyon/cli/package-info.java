/** The {@code halcyon} command: one file per subcommand. */
package dev.halcyon.cli;
