"""Debian's cloud kernels, unpacked into a cache. Nothing is installed, and the lists of the system's apt are not used."""

import fcntl
import os
import re
import shutil
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
MIRROR = "http://deb.debian.org/debian"


class Missing(Exception):
    """This machine lacks something: a reason to skip, not a failure."""


@dataclass(frozen=True)
class Series:
    """Kernels of one version in one suite. `packages`: what holds the image and its modules, newest first."""
    suite: str
    version: str
    packages: tuple = ("linux-image-{}",)


SPLIT = ("linux-binary-{}", "linux-modules-{}", "linux-base-{}")
SERIES = {
    "5.10": Series("bullseye", r"5\.10\.0-\d+"),
    "6.1": Series("bookworm", r"6\.1\.0-\d+"),
    "6.12": Series("bookworm-security", r"6\.12\.\d+\+deb12"),
    "6.18": Series("trixie-backports", r"6\.18\.\d+\+deb13"),
    "7.3": Series("trixie-backports", r"7\.3\.\d+\+deb13", SPLIT),
}


@dataclass(frozen=True)
class Kernel:
    """An unpacked kernel: `folder`/lib/modules/`release` has its modules."""
    series: str
    release: str
    folder: Path
    image: Path


def cache():
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "naru"


@contextmanager
def locked(name):
    """One process at a time; the file stays."""
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def kernel(series, may_fetch=True):
    """The kernel from the cache, fetched into it when it is not there."""
    with locked("vm-kernels"):
        found = unpacked(series)
        if not found and may_fetch:
            fetch(series)
            found = unpacked(series)
    if not found:
        raise Missing(f"Linux {series} is not in {cache()}: test/vm/fetch {series}")
    return found


def unpacked(series):
    folder = cache() / f"vm-{series}"
    for modules in folder.glob("lib/modules/*"):
        for image in (folder / "boot" / f"vmlinuz-{modules.name}", modules / "vmlinuz"):
            if image.exists():
                return Kernel(series, modules.name, folder, image)
    return None


def fetch(series):
    """Downloads into a folder beside, which takes the final name when it is whole."""
    wanted = SERIES[series]
    final = cache() / f"vm-{series}"
    work = cache() / f"vm-{series}.new"
    shutil.rmtree(work, ignore_errors=True)
    shutil.rmtree(final, ignore_errors=True)
    apt = Apt(work / "apt", wanted.suite)
    version = newest(apt.names(wanted.packages[0].format("")), wanted)
    tree = work / "tree"
    for package in apt.download([name.format(version) for name in wanted.packages]):
        run("dpkg-deb", "-x", package, tree)
    merge_usr(tree)
    run("depmod", "-b", tree, version)
    tree.rename(final)
    shutil.rmtree(work)


def newest(names, wanted):
    pattern = re.compile(re.escape(wanted.packages[0]).replace(r"\{\}", f"({wanted.version}-cloud-amd64)"))
    versions = [match[1] for match in map(pattern.fullmatch, names) if match]
    if not versions:
        raise Missing(f"{wanted.suite} has no package {pattern.pattern}")
    return max(versions, key=lambda version: [int(number) for number in re.findall(r"\d+", version)])


def merge_usr(tree):
    """Newer packages have their modules under /usr/lib, where depmod and the older ones do not look."""
    if (tree / "usr/lib/modules").is_dir() and not (tree / "lib").exists():
        (tree / "lib").symlink_to("usr/lib")


class Apt:
    """apt with lists and a cache of its own."""

    def __init__(self, folder, suite):
        for name in ("lists/partial", "cache/archives/partial", "packages"):
            (folder / name).mkdir(parents=True)
        self.folder = folder
        sources = folder / "sources.list"
        sources.write_text(f"deb [arch=amd64 signed-by={KEYRING}] {mirror(suite)} {suite} main\n")
        self.options = [word for option in (
            f"Dir::Etc::sourcelist={sources}", "Dir::Etc::sourceparts=/dev/null", "Dir::State::status=/dev/null",
            f"Dir::State::lists={folder}/lists", f"Dir::Cache={folder}/cache", "APT::Architecture=amd64",
            "APT::Sandbox::User=root", "Acquire::Languages=none", "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false",
            "Acquire::http::Timeout=30", "Acquire::Retries=2") for word in ("-o", option)]
        self.run("apt-get", "update", "-qq")

    def run(self, tool, *words, **where):
        return run(tool, *self.options, *words, **where)

    def names(self, prefix):
        return self.run("apt-cache", "pkgnames", prefix).split()

    def download(self, packages):
        self.run("apt-get", "download", "-qq", *packages, cwd=self.folder / "packages")
        return sorted((self.folder / "packages").glob("*.deb"))


def mirror(suite):
    """The mirror this system uses for Debian itself, and what belongs to it for security updates."""
    base = MIRROR
    for file in [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]:
        text = file.read_text(errors="replace") if file.is_file() else ""
        found = re.search(r"^(?:deb\s+(?:\[[^]]*\]\s+)?|URIs:\s*)(\S+/debian)/?(?:\s|$)", text, re.MULTILINE)
        if found:
            base = found[1]
            break
    return f"{base}-security" if suite.endswith("-security") else base


def run(*words, **where):
    try:
        done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=600, **where)
    except FileNotFoundError:
        raise Missing(f"{words[0]} is not installed") from None
    if done.returncode != 0:
        raise Missing(f"{words[0]} failed: {(done.stderr.strip() or 'no reason given').splitlines()[-1]}")
    return done.stdout
