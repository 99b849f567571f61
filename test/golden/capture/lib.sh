# Shared by the capture scripts; sourced. GOLDEN is the folder that the cases are written to.
# A case is NAME.hex (the bytes; lines with # say where they come from) and NAME.json (the value, compared with what the tool was told or printed).
GOLDEN=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
KERNEL="Linux $(uname -r | sed 's/-.*//') $(uname -m)"
STRACE=$(strace -V | sed -n '1s/.*version /strace /p')

# traced FILE COMMAND...: runs a command and writes what it sent to and received from sockets, a buffer a line: "send HEX" or
# "recv HEX". FILE.out has what the command printed.
traced() {
  local file=$1
  shift
  strace -qq -o "$file.strace" -e trace=sendmsg,sendto,recvmsg,recvfrom -e signal=none -e read=all -e write=all "$@" \
    > "$file.out" 2>&1 || echo "exit status $?: $*" >&2
  buffers "$file.strace" > "$file"
}

buffers() {
  awk '
    function flush() { if (hex != "") print direction, hex; hex = "" }
    /^(sendmsg|sendto)/ { flush(); direction = "send" }
    /^(recvmsg|recvfrom)/ { flush(); direction = "recv" }
    /^ \| [0-9a-f]+  / { line = substr($0, 11, 49); gsub(/ /, "", line); hex = hex line }
    /^ \* / { flush() }
    END { flush() }
  ' "$1"
}

# nth FILE DIRECTION N: the hex of the Nth buffer.
nth() { awk -v direction="$2" -v n="$3" '$1 == direction && ++count == n { print $2 }' "$1"; }

# emit FOLDER/NAME HEX COMMENT...: writes a case's bytes, 32 a line.
emit() {
  local file=$GOLDEN/$1.hex hex=$2
  shift 2
  [ -n "$hex" ] || { echo "nothing captured for $file" >&2; return 1; }
  mkdir -p "$(dirname "$file")"
  { for comment in "$@"; do echo "$comment" | sed 's/^/# /; s/ *$//'; done; echo "$hex" | fold -w 64; echo; } | sed '/^$/d' > "$file"
}
