#!/bin/sh
# A machine like this one, on which Telegraf, sudo and xenmeter are installed, in a mount namespace of its own: nothing of
# it is seen outside but the folder SHARED. Started by test_unprivileged.py as
#   unshare -m --propagation private sh other_root.sh SHARED UNPACKED PACKAGE TELEGRAF XENTOP SUDOERS COMMAND...
# and runs COMMAND as the user telegraf, who is in the group daemon, to which the baker gives its file.
set -eu
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
shared=$1 unpacked=$2 package=$3 telegraf=$4 xentop=$5 sudoers=$6
shift 6
here=$(mktemp -d)
mount -t tmpfs none "$here"
mkdir "$here/upper" "$here/work" "$here/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$here/upper,workdir=$here/work" "$here/root"
root=$here/root
for folder in /proc /dev "$shared"; do
    mkdir -p "$root$folder"
    mount --rbind "$folder" "$root$folder"
done
mkdir -p "$root/run/xenmeter" "$root/usr/libexec"
mount --bind "$shared/run" "$root/run/xenmeter"

# What this machine has installed of Telegraf, sudo's rules and xenmeter itself is not there.
rm -rf "$root/etc/sudoers.d" "$root/etc/telegraf" "$root/usr/lib/python3/dist-packages/xenmeter"
rm -f "$root/usr/bin/telegraf" "$root/usr/bin/xenmeter" "$root/usr/sbin/xentop" "$root/usr/bin/sudo"
sed -i '/^telegraf:/d' "$root/etc/passwd" "$root/etc/shadow" "$root/etc/group"
mkdir -p "$root/etc/telegraf/telegraf.d" "$root/etc/sudoers.d"

# Telegraf and sudo as their packages install them.
printf 'telegraf:x:64999:64999::/:/bin/sh\n' >>"$root/etc/passwd"
printf 'telegraf:*:19000::::::\n' >>"$root/etc/shadow"
printf 'telegraf:x:64999:\n' >>"$root/etc/group"
sed -i 's/^daemon:.*/daemon:x:1:telegraf/' "$root/etc/group"
cp "$telegraf" "$root/usr/bin/telegraf"
cp "$shared"/*.d/*.conf "$root/etc/telegraf/telegraf.d/"
cp -a "$unpacked/usr/bin/sudo" "$root/usr/bin/sudo"
cp -a "$unpacked/usr/libexec/sudo" "$root/usr/libexec/"
for library in "$unpacked"/usr/lib/*-linux-gnu*/libapparmor.so.*; do      # sudo of Debian 13 wants it, a minimal system lacks it
    [ ! -e "$library" ] || cp -a "$library" "$root${library#"$unpacked"}"
done
mkdir -p "$root/etc/pam.d"
cp "$unpacked/etc/pam.d/sudo" "$root/etc/pam.d/sudo"
chown -R 0:0 "$root/usr/bin/sudo" "$root/usr/libexec/sudo"
chmod 4755 "$root/usr/bin/sudo"
printf 'Defaults env_reset\nDefaults secure_path="/usr/sbin:/usr/bin:/sbin:/bin"\nroot ALL=(ALL:ALL) ALL\n@includedir /etc/sudoers.d\n' \
    >"$root/etc/sudoers"
cp "$sudoers" "$root/etc/sudoers.d/xenmeter"
chmod 0440 "$root/etc/sudoers" "$root/etc/sudoers.d/xenmeter"

# xenmeter as its package installs it, and the program that it reads.
mkdir -p "$root/usr/lib/python3/dist-packages"
cp -r "$package" "$root/usr/lib/python3/dist-packages/xenmeter"
chmod -R go+rX "$root/usr/lib/python3/dist-packages"
printf '#!/usr/bin/python3 -B\nimport sys\nfrom xenmeter.front.cli import main\nsys.exit(main())\n' >"$root/usr/bin/xenmeter"
cp "$xentop" "$root/usr/sbin/xentop"
chmod 0755 "$root/usr/bin/xenmeter" "$root/usr/sbin/xentop" "$root/usr/bin/telegraf"

exec chroot "$root" setpriv --reuid 64999 --regid 64999 --init-groups --inh-caps=-all --pdeathsig KILL -- "$@"
