"""Debian's kernels in QEMU, running the binaries of this machine."""
