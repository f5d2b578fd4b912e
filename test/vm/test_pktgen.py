"""tools/pktgen and the record of test/vm/pktgen.py, as far as no kernel is needed."""

import ipaddress
import json
import sys
import traceback
from pathlib import Path

HERE = Path(__file__).resolve()
sys.path.insert(0, str(HERE.parents[1]))
sys.path.insert(0, str(HERE.parents[2] / "tools/pktgen.d"))

import control  # noqa: E402
import report  # noqa: E402
from counter import Counter  # noqa: E402
from options import UserError, options  # noqa: E402
from settings import commands, counts, shares  # noqa: E402
from way import Way  # noqa: E402
from vm.pktgen_figures import compare, figure, net, parse, restless, table, uneven  # noqa: E402

BASE = ["--device", "eth1", "--dst", "192.0.2.10"]
WAY = Way("02:00:00:00:00:01", ipaddress.ip_address("198.18.0.1"))


def said(words):
    """The one line a user gets for these words, "" when there is nothing to say against them."""
    try:
        options(words)
    except UserError as why:
        return str(why)
    return ""


def what_makes_no_sense_is_refused_with_its_reason():
    refused = {
        ("--dst", "127.0.0.1"): "never leaves this machine",
        ("--dst", "::1"): "never leaves this machine",
        ("--dst", "224.0.0.1"): "not the address of one machine",
        ("--dst", "0.0.0.0"): "not the address of one machine",
        ("--dst", "web.example"): "names are not looked up",
        ("--dst", "fe80::1%eth0"): "no zone",
        ("--dst-mac", "02:00"): "no MAC address",
        ("--dst-port", "0"): "no number from 1 to 65535",
        ("--device", "a/b"): "no name of a device",
        ("--size", "59"): "no number from 60",
        ("--count", "-1"): "no number",
        ("--count", "3", "--threads", "4"): "less than one packet for each",
        ("--rate", "3", "--threads", "4"): "less than one packet for each",
        ("--seconds", "0"): "not between",
        ("--seconds", "nan"): "not between",
        ("--rounds", "0"): "no number from 1",
        ("--src", "2001:db8::1"): "two families",
        ("--src", "198.18.0.9-198.18.0.1"): "ends before it begins",
        ("--src-ports", "9-1"): "ends before it begins",
        ("--src-ports", "1-65535"): "no number from 1 to 65534",
        ("--direct", "192.0.2.10"): "name the address that packets have behind the balancer",
        ("--direct", "2001:db8::1"): "two families",
        ("--direct-mac", "02:00:00:00:00:01"): "of no use without --direct",
        ("--counter", "cat 'x"): "No closing quotation",
        ("--dst", "2001:db8::1", "--no-checksum"): "dropped",
        ("--dst", "2001:db8::1", "--src", "2001:db8::5-2001:db8::6"): "no source ranges over IPv6",
        ("--frobnicate",): "--help",
    }
    for words, why in refused.items():
        line = said([*BASE, *words])
        assert why in line and "\n" not in line, f"{words}: {line!r}"
    assert "--device" in said(["--dst", "192.0.2.1"])
    assert said(BASE) == ""


def rounds_are_bounded_in_time_and_in_packets():
    assert options(BASE).seconds == 10 and options([*BASE, "--count", "5"]).seconds == 600
    assert counts(options([*BASE, "--count", "10", "--threads", "4"])) == [3, 3, 2, 2]
    assert all(count > 0 for count in counts(options(BASE))), "no thread goes on for ever when nobody is left to end it"
    assert sum(shares(7, 3)) == 7


def flows_are_counted_as_they_are_made():
    def flows(*words):
        return options([*BASE, *words]).flows()
    assert flows() == 1 and flows("--src-ports", "100-163") == 64
    assert flows("--src", "198.18.0.1-198.18.0.4") == 4
    assert flows("--src", "198.18.0.1-198.18.0.4", "--src-ports", "1-6") == 12, "both step with every packet"
    assert flows("--src", "198.18.0.1-198.18.0.4", "--src-ports", "1-6", "--random") == 24


def options_become_words_of_the_kernel():
    asked = options([*BASE, "--src", "198.18.0.1-198.18.0.4", "--src-ports", "1000-1063", "--dst-port", "80"])
    lines = commands(asked, asked.targets[0].address, WAY, 500, 0)
    for line in ("count 500", "dst_min 192.0.2.10", "dst_max 192.0.2.10", "src_min 198.18.0.1", "src_max 198.18.0.4",
                 "udp_src_min 1000", "udp_src_max 1064", "udp_dst_min 80", "udp_dst_max 80", "pkt_size 60",
                 "dst_mac 02:00:00:00:00:01", "flag UDPCSUM"):
        assert line in lines, f"{line} is not among {lines}"
    assert not any(line.startswith(("ratep", "burst")) for line in lines)
    by_chance = commands(options([*BASE, "--src", "198.18.0.1-198.18.0.4", "--random", "--no-checksum"]),
                         asked.targets[0].address, WAY, 1, 7)
    assert "src_max 198.18.0.5" in by_chance and "flag IPSRC_RND" in by_chance and "ratep 7" in by_chance
    assert "flag UDPCSUM" not in by_chance and "udp_src_max 1024" in by_chance
    six = options(["--device", "eth1", "--dst", "2001:db8::10", "--src", "2001:db8::1", "--burst", "16"])
    lines = commands(six, six.targets[0].address, Way(WAY.mac, six.sources[0]), 1, 0)
    assert "dst6 2001:db8::10" in lines and "src6 2001:db8::1" in lines and "burst 16" in lines and "pkt_size 78" in lines


def files_of_the_kernel_are_read():
    assert control.thread_names(["pgctrl", "kpktgend_10", "kpktgend_2", "eth0@1"]) == ["kpktgend_2", "kpktgend_10"]
    assert control.devices_of("Running: eth0@0 eth1@0 \nStopped: \nResult: OK: add_device=eth1@0\n") == [
        ["eth0@0", "eth1@0"], []]
    assert control.devices_of("Running: \nStopped: eth0@0 \nResult: NA\n") == [[], ["eth0@0"]]
    sent = control.sent("Current:\n     pkts-sofar: 20000  errors: 3\n     started: 1us  stopped: 2us idle: 0us\n"
                        "Result: OK: 141042(c140982+d60) usec, 20000 (60byte,0frags)\n  141801pps 68Mb/sec errors: 3\n")
    assert sent == control.Sent(20000, 3, 0.141042), sent
    try:
        control.sent("Current:\n     pkts-sofar: 0  errors: 0\nResult: Idle\n")
    except UserError as why:
        assert "Idle" in str(why)
    else:
        raise AssertionError("a run without a result was taken for one")


def a_counter_is_the_number_a_command_prints():
    assert Counter("eth1", ("echo", "42")).settled() == 42
    for command, why in ((("echo", "many"), "many"), (("false",), "ended with 1"), (("/nowhere",), "No such file")):
        try:
            Counter("eth1", command).read()
        except UserError as line:
            assert why in str(line), line
        else:
            raise AssertionError(f"{command} was taken for a number")


def ratios_are_of_medians_and_what_spoils_them_is_said():
    def each(number, to, sent, arrived, errors=0):
        return report.Round(number, to, sent, errors, arrived, 2.0)
    rounds = [each(1, "direct", 100, 100), each(1, "through", 100, 50), each(2, "direct", 100, 100),
              each(2, "through", 100, 10), each(3, "direct", 100, 100), each(3, "through", 100, 60)]
    assert report.ratio(rounds) == 0.5 and rounds[1].lost == 50
    assert report.ratio(rounds[1::2]) is None, "no ratio without a direct round"
    assert any("0.500 of direct" in line for line in report.summary(rounds))
    assert any("more arrived than was sent" in line for line in report.summary([each(1, "through", 1, 2)]))
    assert any("nothing arrived" in line for line in report.summary([each(1, "through", 1, 0)]))
    assert any("errors" in line for line in report.summary([each(1, "through", 1, 1, errors=4)]))
    found = json.loads(report.as_json({"size": 60}, rounds))
    assert found["ratio"] == 0.5 and found["rounds"][1]["lost"] == 50 and found["size"] == 60


def rounds_of(mode, instructions, taken=None, arrived=1000, sent=1000, errors=0):
    return {"mode": mode, "taken": taken, "rounds": [
        {"number": number, "sent": sent, "errors": errors, "arrived": arrived, "seconds": each * sent * 2e-9}
        for number, each in enumerate(instructions, 1)]}


def packets_that_are_missing_spoil_a_figure():
    assert uneven(rounds_of("xdp", [1, 1], taken=2000), 1000) == []
    assert "999 arrived" in uneven(rounds_of("tx", [1], arrived=999), 1000)[0]
    assert "1001 arrived" in uneven(rounds_of("tx", [1], arrived=1001), 1000)[0]
    assert "900 of 1000" in uneven(rounds_of("tx", [1], sent=900, arrived=900), 1000)[0]
    assert "4 errors" in uneven(rounds_of("tx", [1], errors=4), 1000)[0]
    assert "counted 1990" in uneven(rounds_of("tc", [1, 1], taken=1990), 1000)[0]


def figures_leave_out_the_round_that_makes_the_flows():
    boots = [[figure(rounds_of("drop", [9000, 3500, 3500, 3500])), figure(rounds_of("tx", [9000, 4500, 4510, 4500]))],
             [figure(rounds_of("drop", [9000, 3510, 3510, 3510])), figure(rounds_of("ipvs-dr", [9999, 8510, 8510, 8510]))]]
    assert net(boots) == {"drop": 3500, "tx": 1000, "ipvs-dr": 5000}, net(boots)
    assert restless(boots) == []
    boots[1][0] = figure(rounds_of("drop", [1, 3600, 3600]))
    assert "the floor differs" in restless(boots)[0]
    assert "rounds differ" in restless([[figure(rounds_of("drop", [1, 3500, 3700]))]])[0]


def a_rise_of_more_than_a_tenth_is_told():
    record = {"xdp": 1000, "tc": 3000, "xdp6": 1000, "tc6": 3000, "ipvs-dr": 5000}
    assert compare(record, record | {"xdp": 1100, "tc": 1, "ipvs-dr": 9000}) == [], "a tenth, a fall, and IPVS are none"
    assert "10% over" in compare(record, record | {"xdp": 1101})[0]
    assert "no record" in compare({}, record)[0]
    assert "not measured" in compare(record, {"xdp": 1000})[0]
    shown = table({"6.12": {"drop": 3500, "drop6": 3600, "tx": 1000, "tx6": 1000, "xdp": 1500, "xdp6": 1600, "ipvs-dr": 5000}})
    assert "| naru, `--xdp native` | 1,500 | 1.50x | 1,600 | 1.60x |" in shown, shown
    assert "| IPVS, direct routing | 5,000 | 5.00x | - |  |" in shown, shown


def only_lines_of_rounds_are_taken():
    assert list(parse('noise\n{"mode": "drop", "taken": null, "rounds": []}\n{"other": 1}\n')) == ["drop"]


def main():
    failed = 0
    for test in (what_makes_no_sense_is_refused_with_its_reason, rounds_are_bounded_in_time_and_in_packets,
                 flows_are_counted_as_they_are_made, options_become_words_of_the_kernel, files_of_the_kernel_are_read,
                 a_counter_is_the_number_a_command_prints, ratios_are_of_medians_and_what_spoils_them_is_said,
                 packets_that_are_missing_spoil_a_figure, figures_leave_out_the_round_that_makes_the_flows,
                 a_rise_of_more_than_a_tenth_is_told, only_lines_of_rounds_are_taken):
        sentence = test.__name__.replace("_", " ")
        try:
            test()
            print(f"ok    {sentence}")
        except Exception:
            print(f"FAIL  {sentence}\n{traceback.format_exc()}")
            failed += 1
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
