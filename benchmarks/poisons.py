"""A corpus with one of each poison: python benchmarks/poisons.py [MEGABYTES]

Makes a folder of good articles and of all that goes wrong in archives that people keep (among it an article of MEGABYTES, 100,
in one line, and as large a bomb in a .zip), labels it with the command, and prints the ledger as a Markdown table, what the
command says at its end and the most memory of its processes. Fails where something was written elsewhere than to the output.
"""

import gzip
import io
import json
import re
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

import pandas as pd
from corpora import dispatches, run

from pipeline.joining import beside

FRENCH = (
    "Le ministre des canaux a dit hier que les négociations sur les écluses avaient échoué. Il a ajouté que son pays ne "
    "reviendrait pas à la table avant que les péages soient levés, et que rien ne pressait."
)


def zipped(members: dict[str, bytes]) -> bytes:
    """A .zip in memory."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return stream.getvalue()


def tarred(members: dict[str, bytes]) -> bytes:
    """A .tar in memory."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return stream.getvalue()


def corpus(folder: Path, megabytes: int) -> Path:
    """The folder."""
    folder.mkdir()
    one, two, three, four = (text for _, text in dispatches()[:4])
    large = b"a" * (megabytes * 10**6)
    table = io.BytesIO()
    pd.DataFrame({"id": ["p1", "p2"], "text": [two, three]}).to_parquet(table)
    rows = [json.dumps({"id": "j1", "text": four}), '{"id": "j2", "text": ', json.dumps({"id": "j3"})]
    files = {
        "good.txt": one.encode(),
        "the-same-again.txt": one.encode(),
        "nearly-the-same.txt": one.replace(".", ". ", 1).replace("said", "told reporters", 1).encode(),
        "empty.txt": b"",
        "no-statement.txt": b"The weather over the lakes will be fair on Monday and most of Tuesday.",
        "french.txt": FRENCH.encode(),
        "no-text-at-all.txt": bytes(range(256)) * 8,
        "one-line.txt": large,
        "one-line.jsonl": b'{"id": "large", "text": "' + large + b'"}',
        "unknown.docx": b"PK",
        "rows.jsonl": "\n".join(rows).encode(),
        "no-text-column.csv": b"id,headline\n1,Talks fail\n",
        "cut-off.parquet": table.getvalue()[:-100],
        "cut-off.txt.gz": gzip.compress(two.encode())[:-40],
        "cut-off.zip": zipped({"a.txt": one.encode()})[:-30],
        "no-page.html": b"<html><script>1</script></html>",
        "nested.zip": zipped({"inner.zip": zipped({"a.txt": one.encode()})}),
        "bomb.zip": zipped({"bomb.txt": large}),
        "climbing.zip": zipped({"../../escaped.txt": two.encode()}),
        "absolute.tar": tarred({"/tmp/escaped-parley.txt": three.encode()}),
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    (folder / "itself").symlink_to(folder, target_is_directory=True)
    (folder / "nowhere.txt").symlink_to(folder / "gone.txt")
    return folder


def main(megabytes: int) -> None:
    """Print the ledger, and what was said."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        articles, output = corpus(folder / "articles", megabytes), folder / "labelled" / "out.parquet"
        output.parent.mkdir()
        before = sorted(folder.rglob("*"))
        said = output.parent / "said"
        taken = run(articles, output, status=1, said=said)
        print("| input | state | reason |\n| --- | --- | --- |")
        for line in beside(str(output), "ledger").read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            given, reason = (re.sub(rf"{re.escape(name)}/(articles/)?", "", row[key] or "") for key in ("origin", "reason"))
            print(f"| {given} | {row['state']} | {reason.removeprefix(f'{given}: ')} |")
        print("\n" + said.read_text(encoding="utf-8").replace(f"{name}/", "").strip())
        print(f"exit status 1; at most {taken.memory:.0f} MiB")
        assert [p for p in sorted(folder.rglob("*")) if p.parent != output.parent] == before, "something else was written"
        assert not Path("/tmp/escaped-parley.txt").exists()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
