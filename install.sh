#!/bin/sh
# Installs iter8 from a release: downloads the archive for this machine, checks its SHA-256 checksum, runs the program once, and moves it into
# place in one step. Nothing is installed if any of that fails.
#
#   curl -fsSL https://github.com/OWNER/iter8/releases/latest/download/install.sh | sh
#   curl -fsSL … | sh -s -- --version 0.1.0 --dir "$HOME/bin"
#
# All code is in functions that the last line calls in braces, so a script that arrives truncated does nothing.
set -eu

# `OWNER/NAME` on GitHub; scripts/release sets it in the copy that a release has.
REPOSITORY='@REPOSITORY@'

usage() {
    cat <<'TEXT'
Installs iter8.

Usage: install.sh [--version VERSION] [--dir DIR]

Options:
  --version VERSION  Release to install, such as 0.1.0 [default: latest]
  --dir DIR          Directory to install to [default: /usr/local/bin if it is writable, else ~/.local/bin]
  -h, --help         Print help

Environment:
  ITER8_REPOSITORY   OWNER/NAME on GitHub, to install the release of a fork
  ITER8_RELEASES     URL that replaces https://github.com/OWNER/NAME/releases, for mirrors
TEXT
}

# fail MESSAGE [CAUSE] [HINT]
fail() {
    printf 'error: %s\n' "$1" >&2
    if [ -n "${2-}" ]; then printf '  caused by: %s\n' "$2" >&2; fi
    if [ -n "${3-}" ]; then printf '  hint: %s\n' "$3" >&2; fi
    exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

main() {
    version=latest
    dir=
    while [ $# -gt 0 ]; do
        case $1 in
            --version=*) version=${1#*=} && shift ;;
            --dir=*) dir=${1#*=} && shift ;;
            --version | --dir)
                [ -n "${2-}" ] || fail "$1 needs a value"
                if [ "$1" = --dir ]; then dir=$2; else version=$2; fi
                shift 2
                ;;
            -h | --help) usage && return 0 ;;
            *) fail "unexpected argument \`$1\`" '' 'see --help' ;;
        esac
    done
    version=${version#v}
    releases=$(releases_url)
    platform=$(platform)
    if [ -z "$dir" ]; then dir=$(default_dir); fi
    case $dir in /*) ;; *) dir=$PWD/$dir ;; esac

    temporary=
    staged=
    trap clean_up EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    temporary=$(mktemp -d) || fail 'cannot create a temporary directory'
    archive=iter8-$platform.tar.gz
    case $version in
        latest) url=$releases/latest/download ;;
        *) url=$releases/download/v$version ;;
    esac
    download "$url/checksums.txt" "$temporary/checksums.txt"
    download "$url/$archive" "$temporary/$archive"
    verify "$archive"
    unpack "$archive" "$platform/iter8"
    put_in_place
}

clean_up() {
    if [ -n "$temporary" ]; then rm -rf "$temporary"; fi
    if [ -n "$staged" ]; then rm -f "$staged"; fi
}

releases_url() {
    repository=${ITER8_REPOSITORY-}
    case $REPOSITORY in @*) ;; *) repository=${repository:-$REPOSITORY} ;; esac
    if [ -n "${ITER8_RELEASES-}" ]; then
        printf '%s\n' "${ITER8_RELEASES%/}"
    elif [ -n "$repository" ]; then
        printf 'https://github.com/%s/releases\n' "$repository"
    else
        fail 'the repository is unknown' '' 'use the install.sh of a release, or set ITER8_REPOSITORY=OWNER/NAME'
    fi
}

# OS-ARCH, as in the names of the archives.
platform() {
    system=$(uname -s)
    machine=$(uname -m)
    case $system in
        Linux) os=linux ;;
        Darwin) os=darwin ;;
        *) fail "there is no release for $system" '' 'build iter8 from source' ;;
    esac
    case $machine in
        x86_64 | amd64) arch=amd64 ;;
        aarch64 | arm64) arch=arm64 ;;
        *) fail "there is no release for $system on $machine" '' 'build iter8 from source' ;;
    esac
    # A shell that Rosetta translates reports the architecture that it was built for.
    if [ "$os-$arch" = darwin-amd64 ] && [ "$(sysctl -n sysctl.proc_translated 2>/dev/null)" = 1 ]; then arch=arm64; fi
    printf '%s-%s\n' "$os" "$arch"
}

default_dir() {
    if [ -d /usr/local/bin ] && [ -w /usr/local/bin ]; then
        printf '/usr/local/bin\n'
    else
        [ -n "${HOME-}" ] || fail 'HOME is not set' '' 'name the directory: --dir DIR'
        printf '%s/.local/bin\n' "$HOME"
    fi
}

# download URL FILE
download() {
    secure=
    case $1 in https:*) secure=yes ;; esac
    if have curl; then
        curl -fsSL --retry 3 ${secure:+--proto =https --tlsv1.2} -o "$2" "$1" 2>"$temporary/reason" || not_downloaded "$1"
    elif have wget; then
        wget -q -O "$2" "$1" 2>"$temporary/reason" || not_downloaded "$1"
    else
        fail 'curl or wget is needed to download iter8'
    fi
}

not_downloaded() {
    reason=$(tr -s '\n' ' ' <"$temporary/reason")
    hint='check the network'
    if [ "$version" != latest ]; then hint="check that $version was released: $releases"; fi
    fail "$1 cannot be downloaded" "${reason% }" "$hint"
}

sha256() {
    if have sha256sum; then
        sha256sum "$1"
    elif have shasum; then
        shasum -a 256 "$1"
    elif have openssl; then
        openssl dgst -sha256 -r "$1"
    else
        fail 'sha256sum, shasum or openssl is needed to check the download'
    fi
}

# verify FILE: compares the file with its line in checksums.txt.
verify() {
    expected=$(awk -v name="$1" '$2 == name || $2 == "*" name { print $1 }' "$temporary/checksums.txt")
    case $expected in
        '') fail "the release has no checksum of $1" '' "nothing was installed; see $releases" ;;
        *[!0-9a-f]*) fail "the checksum of $1 is not valid" "\`$expected\`" "nothing was installed; see $releases" ;;
    esac
    actual=$(sha256 "$temporary/$1" | cut -d ' ' -f 1)
    [ "$actual" = "$expected" ] || fail "the checksum of $1 does not match" "expected $expected, got $actual" \
        'nothing was installed; try again, and report it if it happens again'
}

# unpack ARCHIVE FILE
unpack() {
    tar -xzf "$temporary/$1" -C "$temporary" "$2" 2>"$temporary/reason" ||
        fail "$1 cannot be unpacked" "$(tr -s '\n' ' ' <"$temporary/reason")"
    program=$temporary/$2
}

# Copies the program next to its final place, runs it there, and renames it.
put_in_place() {
    mkdir -p "$dir" 2>/dev/null && [ -w "$dir" ] ||
        fail "$dir is not writable" '' "choose another directory with --dir DIR, or run as root"
    [ ! -d "$dir/iter8" ] || fail "$dir/iter8 is a directory"
    staged=$(mktemp "$dir/.iter8.XXXXXX") || fail "cannot create a file in $dir"
    cp "$program" "$staged" 2>"$temporary/reason" ||
        fail "the program cannot be written to $dir" "$(cat "$temporary/reason")"
    chmod 755 "$staged"
    installed=$("$staged" version --short 2>"$temporary/reason") ||
        fail 'the program does not run on this machine' "$(tail -n 1 "$temporary/reason")" 'nothing was installed'
    [ "$version" = latest ] || [ "$version" = "$installed" ] ||
        fail "the archive has version $installed, not $version" '' 'nothing was installed'
    mv -f "$staged" "$dir/iter8"
    staged=
    printf 'installed iter8 %s: %s\n' "$installed" "$dir/iter8"
    found=$(command -v iter8 || true)
    case $found in
        "$dir/iter8") ;;
        '') printf 'hint: add its directory to PATH: export PATH="%s:$PATH"\n' "$dir" ;;
        *) printf 'hint: `iter8` is still %s, which comes first in PATH\n' "$found" ;;
    esac
}

{ main "$@"; exit; }
