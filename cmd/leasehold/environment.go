package main

import "github.com/spf13/cobra"

const environmentHelp = `Where its flag is not given, leasehold reads
  LEASEHOLD_STORE            the store's URL, for --store
  LEASEHOLD_HOLDER           whose lease it is, for --holder
  LEASEHOLD_TIMEZONE         the time zone of a schedule, for --timezone
  LEASEHOLD_AUTH             user and password, for --auth; COMMAND does not get it
  LEASEHOLD_AUTH_FILE        the file that has them, for --auth-file
  LEASEHOLD_LOG_FORMAT       text or json, for --log-format
  LEASEHOLD_ACL              who may use what is created, for --acl
  LEASEHOLD_TLS_CA           for --tls-ca
  LEASEHOLD_TLS_CERT         for --tls-cert
  LEASEHOLD_TLS_KEY          for --tls-key
  LEASEHOLD_TLS_SERVER_NAME  for --tls-server-name

There is no flag for
  LEASEHOLD_RUNTIME_DIR  a directory that containers of one host share, and not the
                         network: an earlier run is seen there
  LEASEHOLD_STATE_DIR    where it is kept whether this host is drained

COMMAND of leasehold run gets
  LEASEHOLD_PATH          of the lease; with slots, of the slot
  LEASEHOLD_HOLDER        whose lease it is
  LEASEHOLD_END           of the lease when COMMAND began: renewals move it
  LEASEHOLD_TOKEN         the fencing token when COMMAND began
  LEASEHOLD_SLOT          its number, with --slots
  LEASEHOLD_TICK          the time that it is run for, with --schedule
  LEASEHOLD_ATTEMPT       1 for the first of the tick, with --schedule
  LEASEHOLD_LAST_SUCCESS  the tick of the last success, if there was one`

// environmentCommand is a help topic.
func environmentCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "environment",
		Short: "The variables that leasehold reads, and those that COMMAND gets",
		Long:  environmentHelp,
	}
}
