#!/bin/sh
# Lays out the files of a step's image: assemble.sh BINARY FOLDER
# The binary, the C libraries it is linked with at their own paths, and the authorities that TLS trusts; nothing else, not even
# a shell.
set -eu
binary="$1"
root="$2"

install -D -m 0755 "$binary" "$root/usr/local/bin/$(basename "$binary")"
strip "$root/usr/local/bin/$(basename "$binary")"
ldd "$binary" | grep -o '/[^ ]*' | while read -r library; do
    install -D -m 0755 "$library" "$root$library"
done
install -D -m 0644 /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
install -d -m 1777 "$root/tmp" "$root/work"
echo 'alameda:x:8737:8737::/work:/sbin/nologin' > "$root/etc/passwd"
echo 'alameda:x:8737:' > "$root/etc/group"
