// What viem makes of typed data: on standard input {key, messages}, on standard output [{digest, signature}].
// The messages are as JSON has them: an integer that a double would round is a string of its decimal digits.
import { stdin, stdout } from "node:process";
import { hashTypedData } from "viem";
import { privateKeyToAccount } from "viem/accounts";

const read = [];
for await (const part of stdin) read.push(part);
const { key, messages } = JSON.parse(Buffer.concat(read).toString("utf8"));
const account = privateKeyToAccount(key);
const answers = [];
for (const message of messages) {
  const signature = await account.signTypedData(message);
  answers.push({ digest: hashTypedData(message), signature });
}
stdout.write(JSON.stringify(answers));
