#!/bin/sh
# Installs xenmeter below /opt, on XCP-ng 8.3 or wherever else a dom0 has Python 3.6 and systemd.
#   ./install.sh                 installs or upgrades; nothing is switched on, and an upgrade restarts what runs
#   ./install.sh --telegraf      Telegraf's files, too; later: /opt/xenmeter/install.sh --telegraf
#   ./install.sh --no-telegraf   takes these away again
#   ./install.sh --uninstall     takes all of it away, but for files that you have changed
#   ./install.sh --root DIR      below DIR, which runs nothing: for packages
# Status: 0 done, 1 failed, with a line that says why, 2 wrong usage.
set -eu
# Others than root read most of this, Telegraf's user and serve@xentrace's among them; and nobody else writes there.
umask 022

here=$(cd "$(dirname "$0")" && pwd)
root='' do=install telegraf=''

say() {
    echo "xenmeter: $*"
}

fail() {
    echo "xenmeter: $*" >&2
    exit 1
}

while [ $# -gt 0 ]; do
    case $1 in
        --telegraf) telegraf=yes ;;
        --no-telegraf) do=no_telegraf ;;
        --uninstall) do=uninstall ;;
        --root)
            [ $# -gt 1 ] || { echo "xenmeter: --root wants a folder" >&2; exit 2; }
            root=$2
            shift ;;
        -h | --help)
            sed -n 's/^# \{0,1\}//p;/^set/q' "$0" | sed 1d
            exit 0 ;;
        *)
            echo "xenmeter: $1 is no option; --help has them" >&2
            exit 2 ;;
    esac
    shift
done

opt=$root/opt/xenmeter
share=$opt/share

# Whether services may be asked of: not below --root, and not where systemd does not run.
systemd() {
    [ -z "$root" ] && [ -d /run/systemd/system ]
}

# put MODE SOURCE TARGET: a file of ours, over what is there
put() {
    mkdir -p "$(dirname "$3")"
    cp "$2" "$3.xenmeter-new"
    chmod "$1" "$3.xenmeter-new"
    mv -f "$3.xenmeter-new" "$3"
}

# keep MODE SOURCE TARGET: a file of yours: what is there stays, and you are told where it differs
keep() {
    if [ ! -e "$3" ]; then
        put "$1" "$2" "$3"
    elif ! cmp -s "$2" "$3"; then
        say "$3 stays as it is; the new one is $2"
    fi
}

# drop SOURCE TARGET: takes a file of yours away where it is still as it came
drop() {
    if [ -e "$2" ]; then
        if cmp -s "$1" "$2"; then
            rm -f "$2"
        else
            say "$2 stays: it has been changed"
        fi
    fi
}

units() {
    for unit in "$1"/*.service; do
        basename "$unit"
    done
}

telegraf_files() {      # keep or drop
    for file in "$share"/telegraf/*.conf; do
        "$1" ${2:+"$2"} "$file" "$root/etc/telegraf/telegraf.d/xenmeter-$(basename "$file")"
    done
    "$1" ${3:+"$3"} "$share/sudoers/xenmeter-telegraf" "$root/etc/sudoers.d/xenmeter-telegraf"
    "$1" ${2:+"$2"} "$share/telegraf-xenmeter.conf" "$root/etc/systemd/system/telegraf.service.d/xenmeter.conf"
    if systemd; then systemctl daemon-reload; fi
}

install_all() {
    (cd "$here" && sha256sum -c --quiet SHA256SUMS) || fail "this bundle is not whole: unpack it anew"
    if [ -z "$root" ]; then
        [ -x /usr/bin/python3 ] || fail "there is no /usr/bin/python3"
        /usr/bin/python3 -I -c 'import sys; sys.exit(sys.version_info < (3, 6))' || fail "/usr/bin/python3 is older than 3.6"
        if [ -e /usr/bin/xenmeter ] && [ "$(readlink /usr/bin/xenmeter)" != /opt/xenmeter/bin/xenmeter ]; then
            fail "/usr/bin/xenmeter is another installation's: remove that first (rpm -e, apt remove, pip uninstall)"
        fi
    fi
    mkdir -p "$root/opt" "$root/usr/bin"
    rm -rf "$opt.new" "$opt.old"
    cp -R "$here/xenmeter" "$opt.new"
    cp "$here/install.sh" "$here/README.md" "$here/LICENSE" "$opt.new/"
    if [ -e "$opt" ]; then mv "$opt" "$opt.old"; fi
    mv "$opt.new" "$opt"
    rm -rf "$opt.old"
    ln -sfn /opt/xenmeter/bin/xenmeter "$root/usr/bin/xenmeter"
    for unit in $(units "$share/systemd"); do
        put 644 "$share/systemd/$unit" "$root/usr/lib/systemd/system/$unit"
    done
    put 644 "$share/systemd/serve-xentrace.conf" \
        "$root/usr/lib/systemd/system/xenmeter-serve@xentrace.service.d/unprivileged.conf"
    keep 644 "$share/xenmeter.default" "$root/etc/sysconfig/xenmeter"
    [ -n "$root" ] || settle
}

# What changes the running system. Bytecode is made now, so that none is left behind when another user's run would make it.
settle() {
    /usr/bin/python3 -I -m compileall -q "$opt/lib" >/dev/null || :
    getent group xenmeter >/dev/null || groupadd -r xenmeter
    if systemd; then
        systemctl daemon-reload
        systemctl try-restart xenmeter-baker.service
        for unit in $(running); do
            systemctl try-restart "$unit"
        done
    fi
}

# Units of ours that run, from templates; systemd 219 takes no pattern for try-restart.
running() {
    systemctl --no-legend --plain list-units 'xenmeter-serve@*' 'xenmeter-textfile@*' | sed 's/ .*//'
}

uninstall() {
    [ -d "$opt" ] || fail "there is no $opt: nothing to remove"
    if [ -z "$root" ] && rpm -q xenmeter-opt >/dev/null 2>&1; then
        fail "this was installed by rpm: rpm -e xenmeter-opt"
    fi
    if systemd; then
        for unit in $(running) xenmeter-baker.service; do
            systemctl --quiet stop "$unit" || :
            systemctl --quiet disable "$unit" || :
        done
    fi
    telegraf_files drop
    drop "$share/xenmeter.default" "$root/etc/sysconfig/xenmeter"
    for unit in $(units "$share/systemd"); do
        rm -f "$root/usr/lib/systemd/system/$unit"
    done
    rm -rf "$root/usr/lib/systemd/system/xenmeter-serve@xentrace.service.d"
    if [ "$(readlink "$root/usr/bin/xenmeter" || :)" = /opt/xenmeter/bin/xenmeter ]; then
        rm -f "$root/usr/bin/xenmeter"
    fi
    rm -rf "$opt" "$root/run/xenmeter-counters"
    if systemd; then systemctl daemon-reload; fi
    say "removed; the group xenmeter stays"
}

[ -n "$root" ] || [ "$(id -u)" = 0 ] || fail "run this as root"
case $do in
    uninstall) uninstall ;;
    no_telegraf) telegraf_files drop ;;
    install)
        if [ -e "$here/SHA256SUMS" ]; then
            install_all
        elif [ -z "$telegraf" ]; then
            fail "it is installed: --telegraf, --no-telegraf or --uninstall"
        fi
        if [ -n "$telegraf" ]; then
            telegraf_files keep 644 440
        fi
        if [ -z "$root" ]; then
            say "installed. Now: xenmeter check --install"
        fi ;;
esac
