package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/zookeeper"
)

const (
	secureScheme = "zks://"
	authVariable = "LEASEHOLD_AUTH"
)

const securityHelp = `How to ask an ensemble that is closed to others. Every subcommand that asks the
store has these flags.

FLAGS
Where a flag is not given, its variable counts: see leasehold help environment.

LEASEHOLD_AUTH and the file have what --auth has: digest:alice:secret is for
"auth_data" in kazoo, sasl:alice:secret for "sasl_options" (DIGEST-MD5). The file
has it in one line, and is readable by no other user: chmod 600, or on a read-only
volume as a container platform mounts it. COMMAND gets all these variables but
LEASEHOLD_AUTH.

Nodes that exist keep their ACL. Whoever shares a lease needs the same rights, so
the same user, or "open"; all others can neither take nor, but for "read-world",
see it.

Examples:
  # TLS, a client certificate, and a lease for its subject alone
  leasehold acquire --store zks://zk1:2281,zk2:2281/apps --tls-ca ca.pem \
      --tls-cert batch.pem --tls-key batch.key --acl creator -d 70m /db/hourly_cleanup

  # a user and password
  leasehold status --store zk://zk1,zk2/apps --auth-file /etc/leasehold/auth /db/hourly_cleanup`

// securityCommand is a help topic: the flags would make the help of every
// subcommand twice as long.
func (p *program) securityCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "security",
		Short: "TLS, users and ACLs: the flags for an ensemble that is closed",
	}
	help := cmd.HelpFunc()
	cmd.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		var s securityFlags
		s.define()
		cmd.Long = strings.Replace(securityHelp, "FLAGS\n", s.flags.FlagUsages()+"\n", 1)
		help(cmd, args)
	})
	return cmd
}

// securityFlagNames stands for the hidden flags in the help of a subcommand.
const securityFlagNames = `  --tls, --tls-ca, --tls-cert, --tls-key, --tls-server-name, --tls-insecure,
  --auth, --auth-file, --acl`

// securityFlags are the flags for an ensemble that is closed.
type securityFlags struct {
	flags *pflag.FlagSet // these alone

	tls      bool
	insecure bool
	warnings []string // of checkTLS
}

// register adds the flags to those of a subcommand, whose help names them only.
// All subcommands share them, since only one of them is ever parsed.
func (s *securityFlags) register(flags *pflag.FlagSet) {
	if s.flags == nil {
		s.define()
		s.flags.VisitAll(func(f *pflag.Flag) { f.Hidden = true })
	}
	flags.AddFlagSet(s.flags)
}

func (s *securityFlags) define() {
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	flags.SortFlags = false
	flags.BoolVar(&s.tls, "tls", false, "use TLS, 1.2 or later, as with a URL that begins with "+secureScheme)
	flags.String("tls-ca", "", "trust the CA certificates in `FILE`, and no other; default the system's")
	flags.String("tls-cert", "", "the client's certificate, and any between it and its CA's, is in `FILE`")
	flags.String("tls-key", "", "its key is in `FILE`")
	flags.String("tls-server-name", "", "the servers' certificates are for `NAME`; default the host in the URL")
	flags.BoolVar(&s.insecure, "tls-insecure", false, "INSECURE: take any certificate for a server's")
	flags.String("auth", "", "digest:USER:PASSWORD or sasl:USER:PASSWORD. Other users may see it in the\nprocess list, so use --auth-file or $"+authVariable+" rather")
	flags.String("auth-file", "", "the same is in `FILE`")
	flags.String("acl", "", "what is created is open to all (open, as in kazoo; the default), for its creator\nalone (creator), or for others to read (read-world)")
	s.flags = flags
}

// A setting is what a flag says, or else a variable.
type setting struct {
	value  string
	source string // the flag or the variable; "" if neither was given
	flag   bool
}

func (s *securityFlags) setting(flag string) setting {
	if s.flags.Changed(flag) {
		return setting{value: s.flags.Lookup(flag).Value.String(), source: "--" + flag, flag: true}
	}
	name := "LEASEHOLD_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
	if value := os.Getenv(name); value != "" {
		return setting{value: value, source: name}
	}
	return setting{}
}

// wrong is an error of usage if a flag says it, else of configuration.
func (g setting) wrong(format string, args ...any) error {
	if g.flag {
		return usage(format, args...)
	}
	return config("", format, args...)
}

// secure adds to u what the flags and variables say.
func (f *storeFlags) secure(u *storeURL) error {
	s := &f.security
	if u.isDir() {
		return s.refuseAll(u)
	}
	if err := s.checkTLS(u); err != nil {
		return err
	}
	if err := s.checkAuth(u, f.auth); err != nil {
		return err
	}
	if err := f.checkACL(u); err != nil {
		return err
	}
	for _, w := range s.warnings {
		f.warn("%s", w)
	}
	if s.insecure {
		f.warn("--tls-insecure: whoever is between this host and the servers can read and change everything, a password included")
	}
	if s.flags.Changed("auth") {
		f.warn("--auth: other users may have read the password in the process list; use --auth-file or $" + authVariable)
	}
	return nil
}

// refuseAll refuses the flags: variables may be there for other stores.
func (s *securityFlags) refuseAll(u *storeURL) (err error) {
	s.flags.VisitAll(func(f *pflag.Flag) {
		if f.Changed && err == nil {
			err = usage("--%s is for ZooKeeper, and %s is %q: a directory's security is that of its files", f.Name, u.source, u.raw)
		}
	})
	return err
}

// refuseTLS refuses what is for TLS where there is none: somebody believes to be
// protected by it.
func (s *securityFlags) refuseTLS(u *storeURL) error {
	for _, g := range []setting{s.setting("tls-ca"), s.setting("tls-cert"), s.setting("tls-key"), s.setting("tls-server-name"), {source: "--tls-insecure", flag: s.insecure}} {
		switch {
		case g.flag:
			return usage("%s is for TLS, and %s is %q: begin it with %s, or add --tls", g.source, u.source, u.raw, secureScheme)
		case g.value != "":
			return config("begin it with "+secureScheme+", or add --tls; or unset "+g.source, "%s is set, and %s is %q, without TLS", g.source, u.source, u.raw)
		}
	}
	return nil
}

func (s *securityFlags) checkTLS(u *storeURL) error {
	secure := u.ensemble.TLS
	switch {
	case secure && s.flags.Changed("tls") && !s.tls:
		return usage("--tls=false contradicts %s, which is %q", u.source, u.raw)
	case !secure && !s.tls:
		return s.refuseTLS(u)
	}
	ca, name := s.setting("tls-ca"), s.setting("tls-server-name")
	for _, g := range []setting{ca, name} {
		switch {
		case g.flag && g.value == "":
			return usage("%s is empty", g.source)
		case g.flag && s.insecure:
			return usage("%s is of no use with --tls-insecure, which checks nothing", g.source)
		}
	}
	t := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: name.value, InsecureSkipVerify: s.insecure}
	u.options.TLS = t
	if ca.source != "" {
		pool, bad, err := ca.certificates()
		if err != nil {
			return err
		}
		for _, err := range bad {
			s.warnings = append(s.warnings, fmt.Sprintf("%s %q: left out: %v", ca.source, ca.value, err))
		}
		t.RootCAs = pool
	}
	return s.checkCertificate(t)
}

// checkCertificate adds the client's certificate to t, if there is one.
func (s *securityFlags) checkCertificate(t *tls.Config) error {
	cert, key := s.setting("tls-cert"), s.setting("tls-key")
	switch {
	case cert.source == "" && key.source == "":
		return nil
	case key.source == "":
		return cert.wrong("%s needs --tls-key FILE, or $LEASEHOLD_TLS_KEY", cert.source)
	case cert.source == "":
		return key.wrong("%s needs --tls-cert FILE, or $LEASEHOLD_TLS_CERT", key.source)
	}
	pair, err := keyPair(cert, key)
	if err != nil {
		return err
	}
	t.Certificates = []tls.Certificate{*pair} // to be named by
	t.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		// A lease may be kept for longer than a certificate is valid.
		if renewed, err := keyPair(cert, key); err == nil {
			return renewed, nil
		}
		return pair, nil
	}
	return nil
}

// checkAuth finds the user and password.
func (s *securityFlags) checkAuth(u *storeURL, variable string) error {
	g, file := s.setting("auth"), s.setting("auth-file")
	switch {
	case g.flag && file.flag:
		return usage("give --auth or --auth-file, not both")
	case g.flag:
	case variable != "" && file.source != "" && !file.flag:
		return config("unset one of them", "%s and %s are both set", authVariable, file.source)
	case file.source != "":
		line, err := file.secretLine()
		if err != nil {
			return err
		}
		g = setting{value: line, source: fmt.Sprintf("%s %q", file.source, file.value)}
	case variable != "":
		g = setting{value: variable, source: authVariable}
	default:
		return nil
	}
	auth, err := zookeeper.ParseAuth(g.value)
	if err != nil {
		return g.wrong("%s: %v", g.source, err)
	}
	u.options.Auth = auth
	return nil
}

// What --acl takes.
const (
	aclOpen      = "open"
	aclCreator   = "creator"
	aclReadWorld = "read-world"
)

func (f *storeFlags) checkACL(u *storeURL) error {
	g := f.security.setting("acl")
	acl := zookeeper.OpenACL()
	switch g.value {
	case aclOpen:
	case aclCreator:
		acl = zookeeper.CreatorACL()
	case aclReadWorld:
		acl = zookeeper.ReadWorldACL()
	default:
		if g.source == "" {
			return nil
		}
		return g.wrong("%s is %q, want open, creator or read-world", g.source, g.value)
	}
	t := u.options.TLS
	nobody := u.options.Auth == (zookeeper.Auth{}) && (t == nil || t.Certificates == nil)
	switch {
	case g.value == aclOpen || !nobody:
		u.options.ACL = acl
	case g.flag || !f.mustExist: // else it is for others, that create
		return g.wrong("%s is %s, which needs somebody to be the creator: a user (--auth-file) or a client certificate (--tls-cert)", g.source, g.value)
	}
	return nil
}

// warnIfOpen warns of an --acl that comes too late for the lease at path.
func (f *storeFlags) warnIfOpen(ctx context.Context, s leasehold.Store, path string) {
	z, ok := s.(*zookeeper.Store)
	if value := f.security.setting("acl").value; !ok || value == "" || value == aclOpen {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if open, err := z.OpenToAll(ctx, path); err == nil && open {
		f.warn("lease %q is open to all in spite of --acl, since its node is older: see \"Closing what is open\" in docs/security.md", path)
	}
}
