#!/bin/sh
# Puts what is no Python into a package's root: install.sh ROOT TEXTS COLLECTD TELEGRAF ZSH
# TEXTS: where man.py and completion.py wrote. COLLECTD and TELEGRAF: what the names of their drop-in files begin with, as
# etc/collectd.d/xenmeter- is. ZSH: the folder of zsh's functions.
set -eu
root=$1 texts=$2 collectd=$3 telegraf=$4 zsh=$5

put() {     # put MODE SOURCE TARGET
    install -D -p -m "$1" "$2" "$root/$3"
}

for page in "$texts"/*.1; do
    put 644 "$page" "usr/share/man/man1/$(basename "$page")"
done
put 644 "$texts/xenmeter.bash" usr/share/bash-completion/completions/xenmeter
put 644 "$texts/xenmeter.fish" usr/share/fish/vendor_completions.d/xenmeter.fish
put 644 "$texts/_xenmeter" "$zsh/_xenmeter"

for file in conf.d/collectd/*.conf; do
    put 644 "$file" "$collectd$(basename "$file")"
done
for file in conf.d/telegraf/*.conf; do
    put 644 "$file" "$telegraf$(basename "$file")"
done
put 440 packaging/sudoers/xenmeter-telegraf etc/sudoers.d/xenmeter-telegraf
put 644 packaging/systemd/telegraf-xenmeter.conf usr/lib/systemd/system/telegraf.service.d/xenmeter.conf
put 644 packaging/systemd/serve-xentrace.conf usr/lib/systemd/system/xenmeter-serve@xentrace.service.d/unprivileged.conf
