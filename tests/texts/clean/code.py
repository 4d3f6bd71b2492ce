"""Code in several languages, queries, patterns, configuration, versions (SemVer 2.0), UUIDs (RFC 9562), hashes."""

from uuid import UUID

from .draw import Draw, Kind, any_of, one_of

NAMES = "total|rows|count|width|offset|budget|price|items|depth|ratio"
VERBS = "load|merge|split|count|render|flush|parse|sort"


def python(draw: Draw) -> str:
    return draw.fill(
        draw.pick(
            f"def ⟨w {VERBS}⟩_⟨w {NAMES}⟩(value: int, limit: int = ⟨n 2-900⟩) -> float:\n"
            "    if value > limit:\n        return value / ⟨n 2-90⟩.0\n    return ⟨f 0-9.4⟩\n",
            f"@property\ndef ⟨w {NAMES}⟩(self) -> int:\n    return self._⟨w {NAMES}⟩ * ⟨n 2-90⟩\n",
            '@app.get("/items/{item_id}")\nasync def read_item(item_id: int, q: str | None = None):\n'
            '    return {"item_id": item_id, "limit": ⟨n 10-900⟩}',
            '@pytest.mark.parametrize(("a", "b"), [(⟨n 1-99⟩, ⟨n 100-999⟩), (⟨n 1-9⟩, ⟨n 1000-4000⟩)])\n'
            f"def test_⟨w {VERBS}⟩(a, b):\n    assert a + b < ⟨n 5000-9000⟩",
            f"for i in range(⟨n 2-9⟩, ⟨n 10-99⟩, ⟨n 2-5⟩):\n    ⟨w {NAMES}⟩ += i ** 2 - ⟨n 100-999⟩\n"
            f'    print(f"{{i:>4}} {{⟨w {NAMES}⟩:.3f}}")',
            "weights = x @ w.T + b  # (⟨n 2-64⟩, ⟨n 128-1024⟩) @ (⟨n 128-1024⟩, ⟨n 2-64⟩)\ny = np.where(x > ⟨f 0-2.3⟩, 1, 0)",
            "@dataclass(frozen=True)\nclass Window:\n    start: int = ⟨n 0-99⟩\n    stop: int = ⟨n 100-999⟩\n\n"
            "    def __len__(self) -> int:\n        return self.stop - self.start",
            ">>> [n // ⟨n 2-9⟩ for n in (⟨n 10-99⟩, ⟨n 100-999⟩, ⟨n 1000-9999⟩)]",
            'api_token = os.environ["API_TOKEN"]\nretries = int(os.getenv("RETRIES", "⟨n 2-9⟩"))',
        )
    )


def javascript(draw: Draw) -> str:
    return draw.fill(
        draw.pick(
            f"const ⟨w {NAMES}⟩ = items.filter((x) => x.qty > ⟨n 2-90⟩).map((x) => x.price * 1.⟨n 10-25⟩);\n"
            f"console.log(⟨w {NAMES}⟩.toFixed(2));",
            '@Component({ selector: "app-⟨w cart|list|menu⟩", template: "<p>⟨n 2-99⟩ items</p>" })\nexport class Cart {}',
            'import { ref } from "vue";\n\nexport function useCount() {\n  const count = ref(⟨n 0-99⟩);\n'
            "  setTimeout(() => (count.value += ⟨n 2-9⟩), ⟨n 100-5000⟩);\n  return { count };\n}",
            "setInterval(poll, ⟨n 2-60⟩ * 1000); // every ⟨n 2-60⟩ s",
            "fetch(`/api/v⟨n 1-4⟩/orders?page=${page}&size=⟨n 10-100⟩`).then((r) => r.status === 404 && retry(⟨n 2-5⟩));",
            "type Point = { x: number; y: number };\nconst p: Point = { x: ⟨f 0-90.2⟩, y: -⟨f 0-90.2⟩ };",
            "npm i react@1⟨n 6-9⟩.⟨n 0-3⟩.0 vite@⟨n 4-6⟩ typescript@~5.⟨n 0-8⟩.⟨n 2-4⟩",
            "if (a === 0x⟨p ~~~~⟩ || (b & 0b1⟨w 01|10|11⟩0) !== ⟨n 0-8⟩) throw new RangeError(`bad offset ${a}`);",
        )
    )


def compiled_languages(draw: Draw) -> str:
    return draw.fill(
        draw.pick(
            "#include <vector>\n\nint main() {\n    std::vector<int> v{⟨n 1-9⟩, ⟨n 10-99⟩, ⟨n 100-999⟩};\n"
            "    return v.at(1) - ⟨n 2-9⟩;\n}",
            "#define BUFFER_SIZE ⟨n 128-4096⟩u\nstatic uint8_t table[] = { 0x⟨p ~~⟩, 0x⟨p ~~⟩, 0x⟨p ~~⟩, 0x⟨p ~~⟩ };",
            'fn main() {\n    let sum: u64 = (⟨n 1-9⟩..=⟨n 10-999⟩).step_by(⟨n 2-5⟩).sum();\n    println!("{sum:>8}");\n}',
            "func Clamp(x, lo, hi float64) float64 {\n\treturn math.Max(lo, math.Min(x, hi)) * ⟨f 0-3.2⟩\n}",
            "@Override\npublic int hashCode() {\n    return Objects.hash(id, ⟨n 17-99⟩);\n}",
            "@Test\nvoid sumsUp() {\n    assertEquals(⟨n 100-999⟩, new Cart(⟨n 2-9⟩).total(), 0.0⟨n 1-9⟩);\n}",
            "public decimal Net => Gross / 1.⟨n 10-25⟩m; // ⟨n 2-9⟩ places",
            "@objc func tick() { timer = ⟨n 2-90⟩; view.frame = CGRect(x: 0, y: ⟨n 2-90⟩, width: ⟨n 100-900⟩, height: 44) }",
            "@media (max-width: ⟨n 320-1280⟩px) {\n  .card { margin: ⟨n 2-40⟩px ⟨f 0-3.2⟩rem; color: #⟨p ~~~~~~⟩; }\n}",
            "MOV AX, ⟨n 10-99⟩h\nADD AX, [BX+⟨n 2-30⟩]\nJNZ 0x⟨p ~~~~~~~~⟩",
        )
    )


def sql(draw: Draw) -> str:
    return draw.fill(
        draw.pick(
            "SELECT region, SUM(amount) AS total\nFROM sales\nWHERE sold_on BETWEEN '⟨t %Y-%m-%d⟩' AND '⟨t %Y-%m-%d⟩'\n"
            "GROUP BY region\nHAVING SUM(amount) > ⟨n 1000-90000⟩\nLIMIT ⟨n 5-100⟩;",
            "UPDATE stock SET qty = qty - ⟨n 2-90⟩ WHERE sku = '⟨p ???-####⟩' AND qty >= ⟨n 2-90⟩;",
            "INSERT INTO readings (ts, value) VALUES\n  ('⟨t %Y-%m-%d %H:%M:%S⟩', ⟨f 0-90.3⟩),\n  ('⟨t %Y-%m-%d %H:%M:%S⟩', ⟨f 0-90.3⟩);",
            "CREATE TABLE parts (id BIGINT PRIMARY KEY, price NUMERIC(⟨n 8-18⟩, ⟨n 2-6⟩), name VARCHAR(⟨n 20-255⟩) NOT NULL);",
            "SELECT * FROM t WHERE id IN (⟨n 100-999⟩, ⟨n 1000-9999⟩, ⟨n 10000-99999⟩) ORDER BY 2 DESC;",
            "DECLARE @limit INT = ⟨n 10-900⟩;\nSELECT TOP (@limit) code, @@ROWCOUNT FROM #temp WHERE rate > 0.⟨n 10-99⟩;",
            "EXPLAIN ANALYZE: Seq Scan on parts (cost=0.00..⟨f 100-9000.2⟩ rows=⟨n 100-90000⟩ width=⟨n 8-99⟩)",
        )
    )


def configuration(draw: Draw) -> str:
    return draw.fill(
        draw.pick(
            "server:\n  port: ⟨n 3000-9999⟩\n  workers: ⟨n 2-32⟩\n  timeout: ⟨n 10-300⟩s\nlog:\n  level: ⟨w info|debug|warning⟩\n",
            "[cache]\nsize_mb = ⟨n 64-4096⟩\nttl = ⟨n 60-86400⟩\npassword = ${CACHE_PASSWORD}\n",
            '{\n  "name": "⟨w shop|docs|worker⟩",\n  "version": "⟨n 0-9⟩.⟨n 0-30⟩.⟨n 0-30⟩",\n  "retries": ⟨n 2-9⟩,\n'
            '  "ratio": 0.⟨n 10-99⟩\n}',
            "resources:\n  limits: {cpu: ⟨n 100-900⟩m, memory: ⟨n 128-900⟩Mi}\n  replicas: ⟨n 2-9⟩",
            "FROM python:3.⟨n 11-13⟩-slim\nWORKDIR /app\nEXPOSE ⟨n 3000-9000⟩\nHEALTHCHECK --interval=⟨n 10-60⟩s CMD true",
            "image: postgres@sha256:⟨p " + "~" * 64 + "⟩",
            "max_connections=⟨n 50-500⟩\nshared_buffers=⟨n 128-900⟩MB\nwork_mem=⟨n 4-64⟩MB # was ⟨n 2-3⟩MB",
            '<item id="⟨n 10-999⟩" qty=\'⟨n 2-99⟩\'>\n  <price currency="EUR">⟨f 1-900.2⟩</price>\n</item>',
            "uses: actions/checkout@v⟨n 2-5⟩\nwith:\n  fetch-depth: ⟨n 0-50⟩\ntimeout-minutes: ⟨n 5-90⟩",
        )
    )


def uuids(draw: Draw) -> str:
    one = str(UUID(int=draw.random.getrandbits(128), version=draw.pick(1, 4, 5)))
    return draw.fill(
        draw.pick(
            f"Trace {one} took ⟨n 2-900⟩ ms.",
            f"job_id={one.replace('-', '')} state=done",
            f"urn:uuid:{one}",
            f'{{"id": "{one.upper()}", "attempt": ⟨n 1-9⟩}}',
            f"The run {one} restarted ⟨n 2-9⟩ times; please attach its log (⟨n 2-90⟩ kB).",
            f"{{{one.upper()}}} is the class id in the registry key.",
        )
    )


def traceback(draw: Draw) -> str:
    return draw.fill(
        draw.pick(
            'Traceback (most recent call last):\n  File "/app/jobs/⟨w load|merge|train⟩.py", line ⟨n 10-900⟩, in main\n'
            "    total = ⟨w a|b|rows⟩[⟨n 2-99⟩] / ⟨w count|size⟩\n⟨w ZeroDivisionError: division by zero|IndexError: list index out of range⟩",
            "java.lang.IllegalStateException: shard ⟨n 2-99⟩ closed\n\tat shop.stock.Loader.load(Loader.java:⟨n 20-900⟩)\n"
            "\tat java.base/java.lang.Thread.run(Thread.java:⟨n 700-1600⟩)\n\t... ⟨n 2-30⟩ more",
            "thread 'main' panicked at src/main.rs:⟨n 10-400⟩:⟨n 2-60⟩:\nindex out of bounds: the len is ⟨n 2-9⟩ but the index is ⟨n 10-99⟩",
            "TypeError: undefined is not a function\n    at render (app.js:⟨n 10-900⟩:⟨n 2-80⟩)\n    at async Promise.all (index ⟨n 0-9⟩)",
            "panic: runtime error: slice bounds out of range [:⟨n 10-99⟩] with capacity ⟨n 2-9⟩\ngoroutine ⟨n 2-900⟩ [running]:\n"
            "main.cut(0xc000⟨p ~~~~~~⟩, 0x⟨p ~~⟩)\n\t/src/cut.go:⟨n 10-90⟩ +0x⟨p ~~~⟩",
            "Segmentation fault at 0x00007f⟨p ~~~~~~~~~~⟩, rip 0x⟨p ~~~~~~~~⟩, error ⟨n 4-14⟩ (core dumped)",
        )
    )


def diff(draw: Draw) -> str:
    return draw.fill(
        draw.pick(
            "@@ -⟨n 10-900⟩,⟨n 3-9⟩ +⟨n 10-900⟩,⟨n 3-9⟩ @@ def ⟨w load|close|main⟩():\n-    limit = ⟨n 10-99⟩\n+    limit = ⟨n 100-999⟩\n",
            "index ⟨p ~~~~~~~⟩..⟨p ~~~~~~~⟩ 100644\n--- a/src/stock.py\n+++ b/src/stock.py\n@@ -1 +1,⟨n 2-9⟩ @@",
            "commit ⟨p "
            + "~" * 40
            + "⟩\nDate:   ⟨t %a %b %d %H:%M:%S %Y⟩ +0⟨n 1-9⟩00\n\n    Raise the limit to ⟨n 10-900⟩",
            "git log @{upstream}.. --oneline -n ⟨n 2-40⟩; git reset HEAD@{⟨n 1-9⟩}; git show HEAD~⟨n 2-9⟩:README.md",
            "⟨p ~~~~~~~⟩ (HEAD -> main, tag: v⟨n 0-9⟩.⟨n 0-30⟩.⟨n 0-20⟩) Drop ⟨n 2-40⟩ unused columns\n⟨p ~~~~~~~⟩ Speed up the merge by ⟨n 2-90⟩ %",
            "Reverts ⟨p ~~~~~~~~~~~~⟩, see #⟨n 100-9999⟩. ⟨n 2-40⟩ files changed, ⟨n 10-900⟩ insertions(+), ⟨n 2-90⟩ deletions(-)",
        )
    )


KINDS: dict[str, Kind] = {
    "python": python,
    "javascript": javascript,
    "compiled_languages": compiled_languages,
    "sql": sql,
    "configuration": configuration,
    "uuids": uuids,
    "traceback": traceback,
    "diff": diff,
    "versions": any_of(
        "Upgrade from ⟨n 0-9⟩.⟨n 0-30⟩.⟨n 0-30⟩ to ⟨n 10-12⟩.0.0-rc.⟨n 1-9⟩+build.⟨n 10-999⟩.",
        "requires: numpy>=1.⟨n 20-26⟩,<3; pandas~=2.⟨n 0-3⟩.0; torch==2.⟨n 0-6⟩.1+cu12⟨n 1-8⟩",
        '"react": "^1⟨n 6-9⟩.⟨n 0-3⟩.⟨n 0-9⟩", "vite": ">=⟨n 2-5⟩.1.0 <⟨n 6-9⟩.0.0 || 10.x"',
        "Kernel 6.⟨n 1-12⟩.0-⟨n 10-99⟩-generic #⟨n 10-99⟩~22.04.⟨n 1-5⟩",
        "Windows 10.0.⟨n 19041-26100⟩.⟨n 300-4000⟩, driver ⟨n 400-570⟩.⟨n 10-99⟩, firmware v⟨n 1-9⟩.⟨n 10-99⟩b⟨n 2-9⟩",
        "OpenSSL 3.0.⟨n 1-15⟩ ⟨t %d %b %Y⟩; glibc 2.⟨n 28-40⟩; gcc (GCC) 1⟨n 1-4⟩.2.0",
        "Since v⟨n 2-9⟩.⟨n 1-30⟩ the flag is gone (deprecated in ⟨n 1-2⟩.⟨n 10-40⟩.x).",
        "OID 1.3.6.1.5.5.7.3.⟨n 1-9⟩ and 2.16.840.1.101.3.4.2.⟨n 1-9⟩ must both be set.",
    ),
    "patterns": one_of(
        r"^\d{2}-[A-Z]{2,⟨n 3-9⟩}$ matches ⟨p ##-??⟩ but not ⟨p ????⟩.",
        r"re.sub(r'(?<!\d)\d{⟨n 1-3⟩},\d{⟨n 2-4⟩}(?!\d)', '#', text)",
        r"grep -nE '^(GET|POST) /v[0-⟨n 2-9⟩]+/items\?page=[0-9]{1,⟨n 2-6⟩}' access.log | head -⟨n 5-90⟩",
        r"sed -i 's/timeout=⟨n 10-99⟩/timeout=⟨n 100-999⟩/g' conf/*.ini",
        r"The pattern [\w.+-]{1,⟨n 20-64⟩} allows ⟨n 20-64⟩ characters, (?i)err(or)?:\s*0x[0-9a-f]{⟨n 4-8⟩} the rest.",
        r"""awk -F'\t' '$⟨n 2-9⟩ > ⟨n 100-999⟩ { s += $⟨n 2-9⟩ } END { printf "%.2f\n", s / NR }'""",
        r"location ~* \.(css|js)$ { expires ⟨n 2-90⟩d; add_header Cache-Control max-age=⟨n 60-86400⟩; }",
    ),
    "colours": one_of(
        "Use #⟨p ~~~~~~⟩ for the frame and #⟨p ~~~⟩ for text (contrast ⟨n 4-15⟩.⟨n 1-9⟩:1).",
        "rgb(⟨n 0-255⟩, ⟨n 0-255⟩, ⟨n 0-255⟩) / hsl(⟨n 0-359⟩deg ⟨n 10-99⟩% ⟨n 10-90⟩%)",
        "--accent: #⟨p ~~~~~~⟩cc; --shadow: rgba(0, 0, 0, .⟨n 1-9⟩);",
        "RAL ⟨n 1000-9010⟩, Pantone ⟨n 100-7500⟩ C, CMYK ⟨n 0-100⟩/⟨n 0-100⟩/⟨n 0-100⟩/⟨n 0-50⟩",
        "palette = ['#⟨p ~~~~~~⟩', '#⟨p ~~~~~~⟩', '#⟨p ~~~~~~⟩']",
        "M ⟨n 10-99⟩ ⟨n 10-99⟩ L ⟨n 100-299⟩ ⟨n 10-99⟩ h-⟨n 10-40⟩ c⟨f 0-9.1⟩,-⟨f 0-9.1⟩ ⟨n 2-9⟩,⟨n 2-9⟩ ⟨n 10-20⟩,0 Z",
    ),
    "hashes": any_of(
        "Fixed in ⟨p ~~~~~~~~⟩, see also ⟨p ~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~⟩.",
        "md5: ⟨p " + "~" * 32 + "⟩  data.tar.gz",
        'ETag: "⟨p ~~~~~~~~⟩-⟨p ~~~~⟩", size ⟨n 1000-900000⟩ bytes',
        "CRC32 0x⟨p ~~~~~~~~⟩ expected, got 0x⟨p ~~~~~~~~⟩ at block ⟨n 2-900⟩.",
        "sha256 ⟨p " + "~" * 64 + "⟩ matches.",
        "Layer ⟨p ~~~~~~~~~~~~⟩: pull complete (⟨f 1-90.1⟩ MB)",
    ),
    "at_words": any_of(
        "Add @dataclass above the class and @staticmethod above line ⟨n 10-400⟩.",
        "git diff main@{⟨n 1-9⟩} shows ⟨n 2-90⟩ lines; @ alone means HEAD.",
        "The @Transactional method at line ⟨n 10-900⟩ opens ⟨n 2-9⟩ connections.",
        "⟨n 2-90⟩ pcs @ ⟨n 1-9⟩.⟨n 10-99⟩, then ⟨n 2-9⟩ @ ⟨n 10-90⟩.50",
        'Set $@ and "$*" right: echo "$#" prints ⟨n 2-9⟩.',
        "We meet @ ⟨n 7-9⟩ pm, channel @here, ping sent ⟨n 2-9⟩ times.",
        "lodash@4.17.⟨n 15-21⟩ and pkg:npm/%40babel/core@7.⟨n 10-26⟩.0 are pinned.",
        "Exposure f/⟨n 2-16⟩ @ 1/⟨n 60-900⟩ s, ISO ⟨w 100|400|1600⟩, ⟨n 24-200⟩ mm",
        "CPU @ ⟨f 1-4.2⟩GHz, RAM @ ⟨n 2133-6400⟩ MT/s, 4K@⟨w 60|120⟩Hz",
        "@param limit at most ⟨n 10-900⟩; @return the sum; @since ⟨n 1-9⟩.⟨n 1-9⟩",
        "~/jobs@night ❯ make -j⟨n 2-16⟩ (exit ⟨n 1-127⟩)",
    ),
}
