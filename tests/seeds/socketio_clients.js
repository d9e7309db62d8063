// Many socket.io-client sockets in one process, told what to do by lines of JSON on
// standard input; each thing that happens to one of them is a line on standard output.
//
//   {"do":"open","id":"a","url":"…","options":{…}}
//   {"do":"emit","id":"a","args":["subscribe:payment-events",{…}],"ack":7}
//   {"do":"close","id":"a"}   {"do":"cut","id":"a"}   (cut: the transport, rudely)
'use strict';

const { createRequire } = require('node:module');
const readline = require('node:readline');

const fromTests = createRequire(process.argv[2]);
const { io } = fromTests('socket.io-client');
const sockets = new Map();

const say = (id, what, more) => console.log(JSON.stringify({ id, what, ...more }));

function open({ id, url, options }) {
  const socket = io(url, { forceNew: true, ...options });
  sockets.set(id, socket);
  const transport = () => socket.io.engine?.transport?.name;
  socket.io.on('open', () => {
    socket.io.engine.once('upgrade', (made) => say(id, 'upgrade', { transport: made.name }));
  });
  socket.on('connect', () => say(id, 'connect', { transport: transport(), sid: socket.id }));
  socket.on('connect_error', (error) => {
    say(id, 'connect_error', { message: error.message, data: error.data });
  });
  socket.on('disconnect', (reason) => say(id, 'disconnect', { reason }));
  socket.onAny((name, ...args) => say(id, 'event', { name, args, transport: transport() }));
}

const commands = {
  open,
  emit({ id, args, ack }) {
    const socket = sockets.get(id);
    if (ack === undefined) socket.emit(...args);
    else socket.emit(...args, (...answer) => say(id, 'ack', { ack, answer }));
  },
  close({ id }) { sockets.get(id).disconnect(); },
  cut({ id }) { sockets.get(id).io.engine.transport.close(); },
};

readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const command = JSON.parse(line);
  commands[command.do](command);
}).on('close', () => process.exit(0));

console.log('{"what":"ready"}');
