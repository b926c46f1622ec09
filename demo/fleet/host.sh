#!/bin/sh
# Process 1 of a simulated host: mounts its folders, starts sshd, then adopts and reaps orphans.
# The host lives as long as standard input stays open: whoever made it cannot leave it behind.
set -eu
root=$1 name=$2 address=$3 gateway=$4

echo "$name" >/proc/sys/kernel/hostname
mount --bind /var/lib/dpkg "$root/var/lib/dpkg"
mount -o remount,bind,ro "$root/var/lib/dpkg"
mount --rbind "$root/var" /var
mount -t tmpfs -o mode=755 tercel-run /run
mkdir -p /run/lock /run/sshd
for folder in etc opt root usr/local/bin tmp; do
    mount --bind "$root/$folder" "/$folder"
done
cd /

echo mounted
read -r _ # the network card is there now

ip link set lo up
ip address add "$address/24" dev eth0
ip link set eth0 up
ip route add default via "$gateway"
/usr/sbin/sshd -E /var/log/sshd.log
echo up

exec 3<&0 </dev/null >/dev/null 2>&1
cat <&3 >/dev/null &
wait $!
