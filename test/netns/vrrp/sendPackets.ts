/**
 * `node sendPackets.js HEX...`: sends whole IPv4 packets out of eth0, as they are but for the header's checksum, length and
 * identification, which a raw socket's kernel fills in (raw(7)).
 */
import { Buffer } from "node:buffer";
import { loadAddon } from "../../../src/io/addon.ts";

const AF_INET = 2;
const SOCK_RAW = 3;
const IPPROTO_RAW = 255;
const SOL_SOCKET = 1;
const SO_BINDTODEVICE = 25;

const socket = loadAddon().openSocket(AF_INET, SOCK_RAW, IPPROTO_RAW);
socket.setOption(SOL_SOCKET, SO_BINDTODEVICE, Buffer.from("eth0\0"));
for (const hex of process.argv.slice(2)) {
  const packet = Buffer.from(hex, "hex");
  // struct sockaddr_in: family, port, address.
  const to = Buffer.alloc(16);
  to.writeUInt16LE(AF_INET, 0);
  packet.copy(to, 4, 16, 20);
  socket.send(packet, 0, packet.length, to);
}
socket.close();
