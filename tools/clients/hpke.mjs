// What npm's @hpke makes of questions: as tools/hpke/main.go, on the same questions.
import { stdin, stdout } from "node:process";
import { Aes128Gcm, Aes256Gcm, CipherSuite, HkdfSha256, HkdfSha384, HkdfSha512 } from "@hpke/core";
import { XWing } from "@hpke/hybridkem-x-wing";

const KEMS = { 0x647a: XWing };
const KDFS = { 1: HkdfSha256, 2: HkdfSha384, 3: HkdfSha512 };
const AEADS = { 1: Aes128Gcm, 2: Aes256Gcm };
const ENCAPSULATED = 1120;

async function say({ op, kem, kdf, aead, key, info, aad, data }) {
  const [k, i, a, d] = [key, info, aad, data].map((digits) => Buffer.from(digits, "hex"));
  const suite = new CipherSuite({ kem: new KEMS[kem](), kdf: new KDFS[kdf](), aead: new AEADS[aead]() });
  if (op === "seal") {
    const recipientPublicKey = await suite.kem.deserializePublicKey(k);
    const sender = await suite.createSenderContext({ recipientPublicKey, info: i });
    return Buffer.concat([Buffer.from(sender.enc), Buffer.from(await sender.seal(d, a))]);
  }
  if (op === "public") {
    const { publicKey } = await new KEMS[kem]().generateKeyPairDerand(new Uint8Array(k));
    return Buffer.from(await suite.kem.serializePublicKey(publicKey));
  }
  const recipientKey = await suite.kem.deserializePrivateKey(k);
  const recipient = await suite.createRecipientContext({
    recipientKey,
    enc: d.subarray(0, ENCAPSULATED),
    info: i,
  });
  return Buffer.from(await recipient.open(d.subarray(ENCAPSULATED), a));
}

const read = [];
for await (const part of stdin) read.push(part);
const answers = [];
for (const question of JSON.parse(Buffer.concat(read).toString("utf8"))) {
  try {
    answers.push({ data: (await say(question)).toString("hex") });
  } catch (error) {
    answers.push({ error: String(error) });
  }
}
stdout.write(JSON.stringify(answers));
