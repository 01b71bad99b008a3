// Package schedule tells when a job is due: a cron expression in a time zone,
// and its ticks, the instants at which it is due.
//
// Expressions are those of Debian's cron (crontab(5), and entry.c of its package
// cron 3.0pl1), without the command:
//
//	minute (0-59)  hour (0-23)  day of month (1-31)  month (1-12)  day of week (0-7)
//
// A field is a list, separated by commas, of numbers, ranges a-b, ranges with a
// step a-b/n, * or */n. Months and days of the week also have names (JAN, mon); both
// 0 and 7 are Sunday. If neither of the two fields of days begins with *, the job is
// due on a day that either of them names; else on a day that both do. So */2 begins
// with *, and 1-31/2 does not.
//
// Or an expression is one of @hourly, @daily, @midnight, @weekly, @monthly, @yearly
// and @annually.
//
// What Debian's cron takes and then never runs, or reads only in part, is an error
// here: a range that goes backwards (22-2), and text after a value (5#3).
//
// # Changes of the clocks
//
// They are treated as Debian's cron does it: cron(8), "Notes", and the main loop in
// cron.c. A job whose field of minutes or of hours begins with * (or @hourly) is due
// whenever the zone's clocks show one of its times: not in an hour that is
// skipped, and in both of the two that look alike. So an hourly job is due every
// hour. Every other job is due once for each of its times: at the jump when the
// clocks skip that time, and at the first of two when it comes twice. Where the
// clocks change by three hours or more they are taken to have been wrong: what is
// skipped is not made up for. (Setting them back by three hours exactly still makes
// no time come twice; forward by less than five minutes, every kind of job is due at
// the jump.)
//
// # Time zones
//
// A zone is looked up where package time does: in the host's database, and then in
// the one of package time/tzdata, if the program imports that. As that package's own
// documentation asks, this one does not: it adds 450 KB, and whether a program needs
// it is for the program to say. Hosts must agree on the rules of a zone to agree on
// its ticks: keep their databases (Debian's package tzdata) up to date.
package schedule
