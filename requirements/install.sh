#!/bin/sh
# make install: Debian packages, the virtual environment in .venv, pinned pip packages, bcc.
# Safe to run again at any time, and quiet when there is nothing to do.
#
#   requirements/install.sh              everything
#   requirements/install.sh --venv-only  the packages are there already (on another distribution, say)
set -eu
cd "$(dirname "$0")/.."
PATH="${PATH:-}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
export PATH

VENV=.venv
PYTHON=/usr/bin/python3 # the distribution's: bcc belongs to it
STAMP=$VENV/.installed

say() { echo "install: $*" >&2; }
die() {
    say "$*"
    exit 1
}
wanted() { sed -e 's/#.*//' -e '/^[[:space:]]*$/d' requirements/apt.txt | tr -d ' '; }

missing() {
    for package in $(wanted); do
        # shellcheck disable=SC2016 # dpkg-query's own placeholder
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "$package"
    done
}

# Keep packages from starting their services while they are installed; put back what was there.
POLICY=/usr/sbin/policy-rc.d
policy_ours=no
forbid_services() {
    [ -e $POLICY ] && return # the machine has a policy of its own; openssh-server is disabled below as well
    policy_ours=yes
    printf '#!/bin/sh\nexit 101\n' >$POLICY
    chmod 755 $POLICY
}
cleanup() {
    [ $policy_ours = no ] || rm -f $POLICY
    [ -z "${log:-}" ] || rm -f "$log"
}

install_packages() {
    packages=$(missing | xargs)
    [ -n "$packages" ] || return 0
    [ "$(id -u)" = 0 ] || die "these packages are missing: $packages. Run as root, or: apt-get install $packages"
    say "installing packages: $packages"
    log=$(mktemp)
    trap cleanup EXIT
    trap 'exit 130' INT TERM
    forbid_services
    export DEBIAN_FRONTEND=noninteractive
    updated=yes
    apt-get update -q >"$log" 2>&1 </dev/null || updated=no # a broken third-party source need not stop us
    # shellcheck disable=SC2086 # a list of words
    if ! apt-get install -q -y --no-install-recommends $packages >>"$log" 2>&1 </dev/null; then
        cat "$log" >&2
        [ $updated = yes ] || say "apt-get update failed as well: is the network there, are the sources right?"
        die "apt-get could not install: $packages (its output is above)"
    fi
    case " $packages " in
    *" openssh-server "*)
        # Only the simulated hosts need it: it must not listen after the next boot either.
        update-rc.d ssh disable >>"$log" 2>&1 || say "could not disable the service ssh: it starts at boot"
        say "openssh-server is for the simulated hosts; its service is off (systemctl enable --now ssh turns it on)"
        ;;
    esac
    cleanup
    trap - EXIT INT TERM
    policy_ours=no
}

check_system() {
    command -v dpkg-query >/dev/null && command -v apt-get >/dev/null && return
    die "this is not Debian or one of its kind. Install what your distribution has for these packages:" \
        "$(wanted | xargs). Then: requirements/install.sh --venv-only"
}

fingerprint() { # of everything that the environment is made from
    { $PYTHON -V && pwd && cat pyproject.toml requirements/lock.txt requirements/install.sh; } | sha256sum
}

make_venv() {
    [ -x $PYTHON ] || die "$PYTHON is missing: install the package python3"
    $PYTHON -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        die "$PYTHON is $($PYTHON -V 2>&1): the controller needs Python 3.11 or newer (Debian 12 has it)"
    if [ -x $VENV/bin/python ] && [ "$(cat $STAMP 2>/dev/null)" = "$(fingerprint)" ]; then return; fi
    say "making the virtual environment $VENV"
    rm -f $STAMP
    $PYTHON -m venv --clear $VENV || die "$PYTHON -m venv failed: install the package python3-venv"
    pip="$VENV/bin/python -m pip --disable-pip-version-check -qq"
    $pip install --requirement requirements/lock.txt || die "pip could not install requirements/lock.txt (see above)"
    $pip install --no-deps --no-build-isolation --editable . || die "pip could not install tercel itself (see above)"
    link_bcc
    fingerprint >$STAMP
}

# PyPI's "bcc" is something else: ours is the distribution's, pure Python over libbcc.
link_bcc() {
    bcc=$($PYTHON -c 'import bcc, os; print(os.path.dirname(bcc.__file__))' 2>/dev/null) ||
        die "$PYTHON has no module bcc: install the package python3-bpfcc"
    ln -sfn "$bcc" "$($VENV/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/bcc"
}

case "${1:-}" in
"")
    check_system
    install_packages
    ;;
--venv-only) ;;
*) die "unknown option $1" ;;
esac
make_venv
[ -r /sys/kernel/btf/vmlinux ] ||
    say "note: this kernel has no BTF (/sys/kernel/btf/vmlinux): no agent can run on this machine, the controller can"
