'use strict';
// Reads streams of HTTP/1.1 requests with llhttp, the parser of node, and tells
// what messages it finds. On standard input: the length of a stream, 4 octets, and
// the stream, again and again. On standard output: a line of JSON for each.
const { HTTPParser, methods } = require('_http_common');

// read gives the octets one by one, so as to learn which one ends a message.
function read(stream) {
  const messages = [];
  let message, done;
  const parser = new HTTPParser();
  parser.initialize(HTTPParser.REQUEST, {});
  const fields = (list) => list.map((text) => Buffer.from(text, 'latin1').toString('base64'));
  parser[HTTPParser.kOnMessageBegin] = () => { message = { fields: [], body: [] }; };
  parser[HTTPParser.kOnHeaders] = (list, url) => {
    if (message.method) return; // a trailer
    message.fields.push(...fields(list));
    message.target = (message.target || '') + url;
  };
  parser[HTTPParser.kOnHeadersComplete] = (major, minor, list, method, url, status, reason, upgrade, keepAlive) => {
    message.fields.push(...fields(list || []));
    message.target = (message.target || '') + (url || '');
    message.method = methods[method];
    message.close = !keepAlive;
    return 0;
  };
  parser[HTTPParser.kOnBody] = (octets) => { message.body.push(Buffer.from(octets)); };
  parser[HTTPParser.kOnMessageComplete] = () => { done = message; };
  let error = '';
  for (let at = 0; at < stream.length && !error; at++) {
    const n = parser.execute(stream.subarray(at, at + 1));
    if (n instanceof Error) error = `${n.code}: ${n.reason} at ${at}`;
    if (done) {
      done.end = at + 1;
      done.body = Buffer.concat(done.body).toString('base64');
      messages.push(done);
      done = undefined;
    }
  }
  parser.close();
  return { messages, error };
}

let input = Buffer.alloc(0);
process.stdin.on('data', (octets) => {
  input = Buffer.concat([input, octets]);
  while (input.length >= 4 && input.length >= 4 + input.readUInt32BE(0)) {
    const end = 4 + input.readUInt32BE(0);
    process.stdout.write(JSON.stringify(read(input.subarray(4, end))) + '\n');
    input = input.subarray(end);
  }
});
