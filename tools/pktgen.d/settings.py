"""Options in the words of /proc/net/pktgen, for each thread."""

# More than 100 Gbit/s of the smallest frames: what a round without --count ends at when nobody is left to end it.
PACKETS_A_SECOND = 150_000_000


def shares(total, threads):
    """As even as it goes."""
    return [total // threads + (index < total % threads) for index in range(threads)]


def counts(options):
    return shares(options.count or int(options.seconds * PACKETS_A_SECOND), options.threads)


def commands(options, address, way, count, rate):
    """For one device of one thread. `way`: the MAC of the next hop, and the source address."""
    lines = [f"count {count}", "delay 0", f"pkt_size {options.size}", f"dst_mac {way.mac}",
             f"udp_dst_min {options.dst_port}", f"udp_dst_max {options.dst_port}"]
    if rate:
        lines.append(f"ratep {rate}")
    lines += source_ports(options)
    first, last = options.sources or (way.source, way.source)
    if address.version == 6:
        lines += [f"dst6 {address}", f"src6 {first}"]
    else:
        # By chance the last address is left out, in turns it is not.
        end = last + 1 if options.random and first != last else last
        lines += [f"dst_min {address}", f"dst_max {address}", f"src_min {first}", f"src_max {end}"]
    lines += ["flag NO_TIMESTAMP", "flag QUEUE_MAP_CPU"]
    if options.checksum:
        lines.append("flag UDPCSUM")
    if options.random:
        lines += ["flag UDPSRC_RND", "flag IPSRC_RND"]
    if options.burst > 1:
        lines.append(f"burst {options.burst}")
    return lines


def source_ports(options):
    """pktgen leaves out the last port of a range."""
    first, last = options.ports
    return [f"udp_src_min {first}", f"udp_src_max {last + 1 if last > first else last}"]
