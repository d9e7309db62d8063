"""Keys of the seed of BIP 49, 84 and 86: "abandon" eleven times, "about"."""

__all__ = ["MAIN", "TPRV", "TPUB", "UPUB", "VPUB", "YPUB", "ZPUB"]

TPRV = (
    "tprv8fSjiqEQ8YG7Ro7gw2ScwcvweYuuWi1ZzGUtrPz918HvDtBzL5s2voFTrN4y3yUwj5cYD54pLhxk6"
    "NKCzHUjcka3zbKjbTEcsuAnkzbjhkL"
)
"""m/84'/1'/0', private: what must never be kept."""

TPUB = (
    "tpubDC8msFGeGuwnKG9Upg7DM2b4DaRqg3CUZa5g8v2SRQ6K4NSkxUgd7HsL2XVWbVm39yBA4LAxysQAm"
    "397zwQSQoQgewGiYZqrA9DsP4zbQ1M"
)
"""The same, public."""

VPUB = (
    "vpub5Y6cjg78GGuNLsaPhmYsiw4gYX3HoQiRBiSwDaBXKUafCt9bNwWQiitDk5VZ5BVxYnQdwoTyXSs2J"
    "HRPAgjAvtbBrf8ZhDYe2jWAqvZVnsc"
)
"""The same, as SLIP-132 writes it."""

UPUB = (
    "upub5EFU65HtV5TeiSHmZZm7FUffBGy8UKeqp7vw43jYbvZPpoVsgU93oac7Wk3u6moKegAEWtGNF8Deh"
    "rnHtv21XXEMYRUocHqguyjknFHYfgY"
)
"""m/49'/1'/0', the account of BIP 49's own example."""

MAIN = {
    44: "xpub6BosfCnifzxcFwrSzQiqu2DBVTshkCXacvNsWGYJVVhhawA7d4R5WSWGFNbi8Aw6ZRc1brxMy"
    "WMzG3DSSSSoekkudhUd9yLb6qx39T9nMdj",
    49: "xpub6C6nQwHaWbSrzs5tZ1q7m5R9cPK9eYpNMFesiXsYrgc1P8bvLLAet9JfHjYXKjToD8cBRswJX"
    "XbbFpXgwsswVPAZzKMa1jUp2kVkGVUaJa7",
    84: "xpub6CatWdiZiodmUeTDp8LT5or8nmbKNcuyvz7WyksVFkKB4RHwCD3XyuvPEbvqAQY3rAPshWcML"
    "oP2fMFMKHPJ4ZeZXYVUhLv1VMrjPC7PW6V",
    86: "xpub6BgBgsespWvERF3LHQu6CnqdvfEvtMcQjYrcRzx53QJjSxarj2afYWcLteoGVky7D3UKDP9Qy"
    "rLprQ3VCECoY49yfdDEHGCtMMj92pReUsQ",
}
"""Account 0 of the main network, by purpose."""

YPUB = (
    "ypub6Ww3ibxVfGzLrAH1PNcjyAWenMTbbAosGNB6VvmSEgytSER9azLDWCxoJwW7Ke7icmizBMXrzBx99"
    "79FfaHxHcrArf3zbeJJJUZPf663zsP"
)
ZPUB = (
    "zpub6rFR7y4Q2AijBEqTUquhVz398htDFrtymD9xYYfG1m4wAcvPhXNfE3EfH1r1ADqtfSdVCToUG868R"
    "vUUkgDKf31mGDtKsAYz2oz2AGutZYs"
)
