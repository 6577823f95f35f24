// Downloads one target with tuf-js: node download.cjs FOLDER METADATA_URL TARGETS_URL PATH
// Writes its content to standard output; exit code 1 where tuf-js refuses.
const fs = require("node:fs");
const { Updater } = require("tuf-js");

const [metadataDir, metadataBaseUrl, targetBaseUrl, path] = process.argv.slice(2);

async function main() {
  const updater = new Updater({ metadataDir, metadataBaseUrl, targetDir: metadataDir, targetBaseUrl });
  await updater.refresh();
  const info = await updater.getTargetInfo(path);
  if (!info) throw new Error(`${path}: not found`);
  process.stdout.write(fs.readFileSync(await updater.downloadTarget(info)));
}

main().catch((error) => {
  process.stderr.write(`${error}\n`);
  process.exitCode = 1;
});
