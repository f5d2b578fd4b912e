"""The machines of test/vm: what a command says and how it ends comes back, what it writes does not."""

import sys
import tempfile
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from vm import kernels, machine  # noqa: E402
from vm.kernels import Missing, Series  # noqa: E402

SKIP = 77
SERIES = "6.12"


def the_newest_version_is_taken():
    names = ["linux-image-6.12.9+deb12-cloud-amd64", "linux-image-6.12.117+deb12-cloud-amd64",
             "linux-image-6.12.12+deb12-cloud-amd64-dbg", "linux-image-6.1.0-50-cloud-amd64"]
    found = kernels.newest(names, kernels.SERIES["6.12"])
    assert found == "6.12.117+deb12-cloud-amd64", found
    try:
        kernels.newest(names, Series("bookworm", r"7\.3\.\d+"))
    except Missing:
        return
    raise AssertionError("a version that no package has was found")


def output_and_exit_code_come_back():
    kernel = kernels.kernel(SERIES)
    with tempfile.NamedTemporaryFile(dir=machine.PROJECT, prefix=".vm-") as file:
        command = f"uname -r; echo 'two  words'; cat /proc/1/comm; echo guest > {file.name}; modprobe sctp && " \
                  "python3 -c 'import socket as s; s.socket(s.AF_INET, s.SOCK_STREAM, 132)' && exit 42"
        ended = machine.run(kernel, command, 150, capture=True)
        assert Path(file.name).read_text() == "", "the guest wrote to a file of this system"
    said = ended.output.splitlines()
    assert said[:2] == [kernel.release, "two  words"], f"{said}\n{ended.console[-1500:]}"
    assert ended.code == 42, f"ended with {ended.code}: {said}"


def what_does_not_end_is_ended():
    ended = machine.run(kernels.kernel(SERIES), "sleep 1000", 20, capture=True)
    assert ended.code == machine.TIMED_OUT, ended


def a_kernel_that_gives_up_is_no_success():
    ended = machine.run(kernels.kernel(SERIES), "echo c > /proc/sysrq-trigger", 150, capture=True)
    assert ended.code == machine.NO_ANSWER, ended


def main():
    failed = 0
    for test in (the_newest_version_is_taken, output_and_exit_code_come_back, what_does_not_end_is_ended,
                 a_kernel_that_gives_up_is_no_success):
        sentence = test.__name__.replace("_", " ")
        try:
            test()
            print(f"ok    {sentence}", flush=True)
        except Missing as why:
            print(f"skipped: {why}")
            sys.exit(SKIP)
        except Exception:
            print(f"FAIL  {sentence}\n{traceback.format_exc()}", flush=True)
            failed += 1
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
