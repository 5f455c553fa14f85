// Sends COUNT personalised messages through nodemailer's pool: node nodemailer_pool.js PORT COUNT CONNECTIONS HTML_FILE
const fs = require("fs");
const nodemailer = require("nodemailer");

const [port, count, connections] = process.argv.slice(2, 5).map(Number);
const page = fs.readFileSync(process.argv[5], "utf8").split("{{");

function personalised(number) {
  return page.map((piece, at) => (at ? `Person${number}-${at}` + piece.slice(piece.indexOf("}}") + 2) : piece)).join("");
}

async function main() {
  const pool = nodemailer.createTransport({
    host: "127.0.0.1", port, pool: true, maxConnections: connections, maxMessages: Infinity, secure: false, ignoreTLS: true,
  });
  const before = process.cpuUsage();
  const start = process.hrtime.bigint();
  let next = 0;
  async function lane() {
    while (next < count) {
      const number = next++;
      const html = personalised(number);
      await pool.sendMail({
        from: "Lumen Tea <hello@lumen.example>",
        to: `p${number}@people.example`,
        subject: `News for Person${number}`,
        text: `Hello Person${number}, read https://mail.lumen.example/c/${number}`,
        html,
        headers: {
          "List-Unsubscribe": `<https://mail.lumen.example/u/${number}>`,
          "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
          "Feedback-ID": "1:email:lux:lumen.example",
        },
      });
    }
  }
  await Promise.all(Array.from({ length: connections * 2 }, lane));
  const seconds = Number(process.hrtime.bigint() - start) / 1e9;
  const cpu = process.cpuUsage(before);
  pool.close();
  console.log(JSON.stringify({ seconds, cpu_seconds: (cpu.user + cpu.system) / 1e6 }));
}

main();
