# Programs from Go modules, for the scripts that source this. Wants $work, a folder to work in; sets $go.
# shellcheck shell=bash

kubernetes=1.36.3
oldest_go=1.26   # what Kubernetes asks for
newest_go=1.26.8 # what is fetched where this machine has none so new

export GO111MODULE=on GOFLAGS=-buildvcs=false GOWORK=off GOTOOLCHAIN=local CGO_ENABLED=0

say() { echo "test/kube: $*" >&2; }

skip() {
    echo "skipped: $*" >&2
    exit 77
}

# Runs a command whose output counts only when it fails. What cannot be fetched is a reason to skip, what cannot be built
# is a fault.
quietly() {
    local what=$1
    shift
    if ! "$@" >"$work/log" 2>&1; then
        tail -n 15 "$work/log" >&2
        case $what in
        fetching*) skip "$what failed: $(tail -n 1 "$work/log")" ;;
        *) say "$what failed" && exit 1 ;;
        esac
    fi
}

is_new_enough() {
    local found
    found=$("$1" env GOVERSION 2>/dev/null) || return 1
    [ "$(printf '%s\n' "$oldest_go" "${found#go}" | sort -V | head -n 1)" = "$oldest_go" ]
}

# field NAME GO MODULE: of what `go mod download` says about a module that is there.
field() { "$2" mod download -json "$3" | sed -n "s/.*\"$1\": \"\(.*\)\".*/\1/p"; }

# Any Go can fetch a newer one as a module; as a module carries no modes, its programs are made executable here.
fetch_go() {
    local any=$1 module folder
    module=golang.org/toolchain@v0.0.1-go$newest_go.$("$any" env GOOS)-$("$any" env GOARCH)
    say "fetching Go $newest_go with $("$any" env GOVERSION 2>/dev/null || echo "an older Go")"
    quietly "fetching Go $newest_go" "$any" mod download "$module"
    folder=$(field Dir "$any" "$module")
    chmod -R u+x "$folder/bin" "$folder/pkg/tool"
    go=$folder/bin/go
}

find_go() {
    local candidate any=
    for candidate in "$(command -v go || true)" /usr/local/go/bin/go /usr/lib/go-*/bin/go; do
        [ -x "$candidate" ] || continue
        any=${any:-$candidate}
        if is_new_enough "$candidate"; then
            go=$candidate
            return
        fi
    done
    [ -n "$any" ] || skip "no Go on this machine to build Kubernetes with: run tools/setup as root"
    fetch_go "$any"
}

# A module that has nothing but what it requires; Kubernetes' own parts are modules too, of the same release.
write_module() {
    local folder=$work/$1 module=$2 version=$3 file
    mkdir -p "$folder"
    printf 'module build\ngo %s\nrequire %s v%s\n' "$("$go" env GOVERSION | sed 's/go//')" "$module" "$version" \
        >"$folder/go.mod"
    (cd "$folder" && quietly "fetching $module" "$go" mod download "$module")
    file=$(cd "$folder" && field GoMod "$go" "$module")
    sed -n "s|^\s*\(\S*\) => ./staging/.*|replace \1 => \1 v0.${version#*.}|p" "$file" >>"$folder/go.mod"
}
