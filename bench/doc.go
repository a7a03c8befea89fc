// Command bench measures what the gateway costs beside the limit, which is a relay
// that does the TLS and nothing else, and beside a reverse proxy that is built on
// net/http and does the same job:
//
//	go run ./bench                      # from the repository's root, Linux only
//	go run ./bench -scale -results DIR  # how costs grow, as JSON and charts
//	go run ./bench -only tunnels=1$ -sides 'gateway|relay' -rounds 15 -json result.json
//
// # What runs
//
//	bench (load) ══ TLS in TLS ══> gateway:  spliceway serve       ══ TLS ══> upstream
//	             ══ TLS in TLS ══> relay:    no HTTP, no checks    ══ TLS ══>
//	             ══ TLS in TLS ══> batching: the same, see below   ══ TLS ══>
//	             ══ TLS in TLS ══> baseline: httputil.ReverseProxy ══ TLS ══>
//
// Each box is a process. The gateway is built from this repository and gets a
// configuration file as an operator would write it, with the audit log going
// to a file, metrics served, and recordings off except where it says recorded.
// The others are this program again, under a subcommand.
//
//   - The relay answers each CONNECT with the same 200, dials the upstream for
//     each tunnel, without resumption, and copies both ways, with a buffer of
//     32 KiB for each. The batching one takes all TLS records that have arrived
//     before it writes, and then flushes the inner and the outer layer once.
//   - The baseline verifies token, proof and target of a tunnel with package
//     authn, removes and sets the same header lines, speaks HTTP/1.1 only, pools
//     upstream connections and buffers.
//   - The upstream answers with what it was asked for, and for gateway and
//     baseline only when the identity lines of the request are right.
//
// Everything is on loopback.
//
// # How a figure is made
//
//   - A sample has a process of its own: it is started, warmed up, measured and
//     stopped. The sides take turns, and the one that begins changes from round to
//     round, so that a drift of the machine hits all.
//   - CPU time is the kernel's account of the process (user and system, all
//     threads, garbage collection included) over a fixed number of requests,
//     divided by that number. Each tunnel has one request under way at a time.
//     Every response is compared with what the upstream sent.
//   - At a fixed rate a request begins when it is due, or, where the one before
//     it was slow, should have: its latency counts from there.
//   - Memory is the anonymous resident memory of the process (heap, stacks, the
//     runtime's own) once it has been the same for three seconds, with watch
//     tunnels open that have got one event and are silent, minus the same before
//     they were opened, divided by their number. Pages of the program file are left
//     out: they are shared and come in once.
//   - The table shows the median of the rounds, with least and most. Ratios are
//     gateway to another side, taken in each round; below 1 the gateway is cheaper.
//     The last column is the ratio of the last result that was committed.
//     -json has every sample.
//
// # What the figures do not say
//
//   - The gateway writes an audit line and counts metrics for each request; the
//     others do neither. The ratio is the gateway's price with these.
//   - Latency is the only thing that the clock on the wall tells, and it tells as
//     much of the machine: load, upstream and the process under test share its
//     cores. Of the most requests that a machine can carry nothing is said.
//   - Loopback has no loss, no segments, no interrupts of a network card. The
//     kernel's part of the account is other there than on a network.
//   - Socket buffers and page tables are the kernel's memory and not in the
//     account of the process.
//   - The heap of a Go program grows up to twice what is alive before it is
//     collected, that of the gateway by 30 percent or 8 MiB, whatever is more, of which
//     it gives back what it does not need for a while. Memory per tunnel is what the
//     process holds, not what it needs, and more of it if there are few.
//   - Load, upstream and the process under test share the cores, and so caches.
//     Absolute numbers of two machines or two days do not compare; ratios of one
//     run do.
package main
