"""The examples of BOLT 11 (lightning/bolts), word for word.

All are signed by the key 03e7156a… unless their lines say otherwise, at 1496314658,
for the payment hash 000102….
"""

from typing import Final

NODE: Final = "03e7156ae33b0a208d0744199163177e909e80176e55d97a2f221ede0f934dd9ad"
HASH: Final = "0001020304050607080900010203040506070809000102030405060708090102"
CAKE: Final = (
    "One piece of chocolate cake, one icecream cone, one pickle, one slice of swiss"
    " cheese, one slice of salami, one lollypop, one piece of cherry pie, one sausage,"
    " one cupcake, and one slice of watermelon"
)
SECRET: Final = "sp5zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zygs"
PAID_BY: Final = "pp5qqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqypq"
HASHED: Final = "hp58yjmdan79s6qqdhdzgynm4zwqd5d7xmw5fk98klysy043l2ahrqs"

DONATION: Final = (
    f"lnbc1pvjluez{SECRET}{PAID_BY}dpl2pkx2ctnv5sxxmmwwd5kgetjypeh2ursdae8g6twvus8g6rf"
    "wvs8qun0dfjkxaq9qrsgq357wnc5r2ueh7ck6q93dj32dlqnls087fxdwk8qakdyafkq3yap9us6v52vjj"
    "srvywa6rt52cm9r9zqt8r2t7mlcwspyetp5h2tztugp9lfyql"
)
COFFEE: Final = (
    f"lnbc2500u1pvjluez{SECRET}{PAID_BY}dq5xysxxatsyp3k7enxv4jsxqzpu9qrsgquk0rl77nj30yxd"
    "y8j9vdx85fkpmdla2087ne0xh8nhedh8w27kyke0lp53ut353s06fv3qfegext0eh0ymjpf39tuven09sam"
    "30g4vgpfna3rh"
)
NONSENSE: Final = (
    f"lnbc2500u1pvjluez{SECRET}{PAID_BY}dpquwpc4curk03c9wlrswe78q4eyqc7d8d0xqzpu9qrsgqht"
    "jpauu9ur7fw2thcl4y9vfvh4m9wlfyz2gem29g5ghe2aak2pm3ps8fdhtceqsaagty2vph7utlgj48u0ged"
    "6a337aewvraedendscp573dxr"
)
LIST: Final = (
    f"lnbc20m1pvjluez{SECRET}{PAID_BY}{HASHED}9qrsgq7ea976txfraylvgzuxs8kgcw23ezlrszfnh8"
    "r6qtfpr6cxga50aj6txm9rxrydzd06dfeawfk6swupvz4erwnyutnjq7x39ymw6j38gp7ynn44"
)
TESTNET: Final = (
    f"lntb20m1pvjluez{SECRET}{HASHED}{PAID_BY}fpp3x9et2e20v6pu37c5d9vax37wxq72un989qrsgq"
    "dj545axuxtnfemtpwkc45hx9d2ft7x04mt8q7y6t0k2dge9e7h8kpy9p34ytyslj3yu569aalz2xdk8xkd7"
    "ltxqld94u8h2esmsmacgpghe9k8"
)
ROUTES: Final = (
    f"lnbc20m1pvjluez{SECRET}{PAID_BY}{HASHED}fpp3qjmp7lwpagxun9pygexvgpjdc4jdj85fr9yq20"
    "q82gphp2nflc7jtzrcazrra7wwgzxqc8u7754cdlpfrmccae92qgzqvzq2ps8pqqqqqqpqqqqq9qqqvpeuq"
    "afqxu92d8lr6fvg0r5gv0heeeqgcrqlnm6jhphu9y00rrhy4grqszsvpcgpy9qqqqqqgqqqqq7qqzq9qrsg"
    "qdfjcdk6w3ak5pca9hwfwfh63zrrz06wwfya0ydlzpgzxkn5xagsqz7x9j4jwe7yj7vaf2k9lqsdk45kts2"
    "fd0fkr28am0u4w95tt2nsq76cqw0"
)
P2SH: Final = (
    f"lnbc20m1pvjluez{SECRET}{HASHED}{PAID_BY}fppj3a24vwu6r8ejrss3axul8rxldph2q7z99qrsgq"
    "z6qsgww34xlatfj6e3sngrwfy3ytkt29d2qttr8qz2mnedfqysuqypgqex4haa2h8fx3wnypranf3pdwylu"
    "ftwe680jjcfp438u82xqphf75ym"
)
P2WPKH: Final = (
    f"lnbc20m1pvjluez{SECRET}{HASHED}{PAID_BY}fppqw508d6qejxtdg4y5r3zarvary0c5xw7k9qrsgq"
    "t29a0wturnys2hhxpner2e3plp6jyj8qx7548zr2z7ptgjjc7hljm98xhjym0dg52sdrvqamxdezkmqg4gd"
    "rvwwnf0kv2jdfnl4xatsqmrnsse"
)
P2WSH: Final = (
    f"lnbc20m1pvjluez{SECRET}{HASHED}{PAID_BY}fp4qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0g"
    "dcccefvpysxf3q9qrsgq9vlvyj8cqvq6ggvpwd53jncp9nwc47xlrsnenq2zp70fq83qlgesn4u3uyf4tes"
    "fkkwwfg3qs54qe426hp3tz7z6sweqdjg05axsrjqp9yrrwc"
)
PICO: Final = (
    "lnbc9678785340p1pwmna7lpp5gc3xfm08u9qy06djf8dfflhugl6p7lgza6dsjxq454gxhj9t7a0sd8dgf"
    "kx7cmtwd68yetpd5s9xar0wfjn5gpc8qhrsdfq24f5ggrxdaezqsnvda3kkum5wfjkzmfqf3jkgem9wgsyu"
    "ctwdus9xgrcyqcjcgpzgfskx6eqf9hzqnteypzxz7fzypfhg6trddjhygrcyqezcgpzfysywmm5ypxxjemg"
    "w3hxjmn8yptk7untd9hxwg3q2d6xjcmtv4ezq7pqxgsxzmnyyqcjqmt0wfjjq6t5v4khx"
    f"{SECRET}xqyjw5qcqp2rzjq0gxwkzc8w6323m55m4jyxcjwmy7stt9hwkwe2qxmy8zpsgg7jcuwz87fcqq"
    "euqqqyqqqqlgqqqqn3qq9q9qrsgqrvgkpnmps664wgkp43l22qsgdw4ve24aca4nymnxddlnp8vh9v2sdxl"
    "u5ywdxefsfvm0fq3sesf08uf6q9a2ke0hc9j6z6wlxg5z5kqpu2v9wz"
)
PICO_HASH: Final = "462264ede7e14047e9b249da94fefc47f41f7d02ee9b091815a5506bc8abf75f"
PICO_TEXT: Final = (
    'Blockstream Store: 88.85 USD for Blockstream Ledger Nano S x 1, "Back In My Day"'
    ' Sticker x 2, "I Got Lightning Working" Sticker x 2 and 1 more items'
)
_BEANS: Final = f"lnbc25m1pvjluez{PAID_BY}dq5vdhkven9v5sxyetpdees{SECRET}"
BEANS: Final = (
    f"{_BEANS}9q5sqqqqqqqqqqqqqqqqsgq2a25dxl5hrntdtn6zvydt7d66hyzsyhqs4wdynavys42xgl6sg"
    "x9c4g7me86a27t07mdtfry458rtjr0v92cnmswpsjscgt2vcse3sgpz3uapa"
)

#: Fields that must be skipped: their tag and length, then zeros.
_TO_SKIP: Final = (
    *(("2qr", 3), ("fppn", 32), ("ppn", 51), ("pp4", 53), ("hpn", 51), ("hp4", 53)),
    *(("spn", 51), ("sp4", 53), ("np5", 52), ("npk", 54)),
)
SKIPPED: Final = (
    f"{_BEANS}9q5sqqqqqqqqqqqqqqqqsgq"
    + "".join(head + "q" * zeros for head, zeros in _TO_SKIP)
    + "z599y53s3ujmcfjp5xrdap68qxymkqphwsexhmhr8wdz5usdzkzrse33chw6dlp3jhuhge9ley7j2ay"
    "x36kawe7kmgg8sv5ugdyusdcqzn8z9x"
)
METADATA: Final = (
    f"lnbc10m1pvjluez{PAID_BY}dp9wpshjmt9de6zqmt9w3skgct5vysxjmnnd9jx2mq8q8a04uq{SECRET}"
    "9q2gqqqqqqsgq7hf8he7ecf7n4ffphs6awl9t6676rrclv9ckg3d3ncn7fct63p6s365duk5wrk202cfy3a"
    "j5xnnp5gs3vrdvruverwwq7yzhkf5a3xqpd05wjc"
)


#: An older version of the document has it, from before payment secrets were demanded.
NO_SECRET: Final = (
    f"lnbc2500u1pvjluez{PAID_BY}dq5xysxxatsyp3k7enxv4jsxqzpuaztrnwngzn3kdzw5hydlzf03qdgm"
    "2hdq27cqv3agm2awhz5se903vruatfhq77w3ls4evs3ch9zw97j25emudupq63nyw24cg27h2rspfj9srp"
)

INVALID: Final = {
    "an unknown feature that is demanded": (
        f"{_BEANS}9q4psqqqqqqqqqqqqqqqqsgqtqyx5vggfcsll4wu246hz02kp85x4katwsk9639we5n5yn"
        "gc3yhqkm35jnjw4len8vrnqnf5ejh0mzj9n3vz2px97evektfm2l6wqccp3y7372"
    ),
    "a wrong checksum": (
        f"lnbc2500u1pvjluez{PAID_BY}dpquwpc4curk03c9wlrswe78q4eyqc7d8d0xqzpuyk0sg5g70me25"
        "alkluzd2x62aysf2pyy8edtjeevuv4p2d5p76r4zkmneet7uvyakky2zr4cusd45tftc9c5fh0nnqpnl2"
        "jfll544esqchsrnt"
    ),
    "no prefix": (
        f"pvjluez{PAID_BY}dpquwpc4curk03c9wlrswe78q4eyqc7d8d0xqzpuyk0sg5g70me25alkluzd2x6"
        "2aysf2pyy8edtjeevuv4p2d5p76r4zkmneet7uvyakky2zr4cusd45tftc9c5fh0nnqpnl2jfll544esq"
        "chsrny"
    ),
    "mixed case": (
        f"LNBC2500u1pvjluez{PAID_BY}dpquwpc4curk03c9wlrswe78q4eyqc7d8d0xqzpuyk0sg5g70me25"
        "alkluzd2x62aysf2pyy8edtjeevuv4p2d5p76r4zkmneet7uvyakky2zr4cusd45tftc9c5fh0nnqpnl2"
        "jfll544esqchsrny"
    ),
    "a signature of nobody": (
        f"lnbc2500u1pvjluez{PAID_BY}dq5xysxxatsyp3k7enxv4jsxqzpu{SECRET}9qrsgqwgt7mcn5yqw"
        "3yx0w94pswkpq6j9uh6xfqqqtsk4tnarugeektd4hg5975x9am52rz4qskukxdmjemg92vvqz8nvmsye6"
        "3r5ykel43pgz7zq0g2"
    ),
    "too short": (
        f"lnbc1pvjluez{PAID_BY}dpl2pkx2ctnv5sxxmmwwd5kgetjypeh2ursdae8g6na6hlh"
    ),
    "an unknown multiplier": (
        f"lnbc2500x1pvjluez{PAID_BY}dq5xysxxatsyp3k7enxv4jsxqzpu{SECRET}9qrsgqrrzc4cvfue4"
        "zp3hggxp47ag7xnrlr8vgcmkjxk3j5jqethnumgkpqp23z9jclu3v0a7e0aruz366e9wqdykw6dxhdzcj"
        "jhldxq0w6wgqcnu43j"
    ),
    "parts of a millisatoshi": (
        f"lnbc2500000001p1pvjluez{PAID_BY}dq5xysxxatsyp3k7enxv4jsxqzpu{SECRET}9qrsgq0lzc2"
        "36j96a95uv0m3umg28gclm5lqxtqqwk32uuk4k6673k6n5kfvx3d2h8s295fad45fdhmusm8sjudfhlf6"
        "dcsxmfvkeywmjdkxcp99202x"
    ),
}
