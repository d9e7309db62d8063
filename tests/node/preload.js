'use strict';

/**
 * Loaded by `node -r` before bcoin: makes the published package run as a node that
 * speaks like Bitcoin Core's regtest, without compiling anything.
 *
 * Used by tests/node/bcoin.py only. What is changed, and why:
 *  1. Two modules want native add-ons at load time; their pure siblings for browsers
 *     do the same (the database is in memory anyway).
 *  2. bcoin's regtest has address prefixes of its own; Core's are what shops paste.
 *  3. bcoin rejects every double spend of the mempool. Core replaces (BIP 125), and
 *     Paybell must see that happen on a real node.
 *  4. sendrawtransaction answers before the mempool has decided, and never says no.
 *     Core answers with the reason, and senders act on it.
 */

const path = require('path');
const Module = require('module');

const SIBLINGS = {
  [path.join('mrmr', 'lib', 'murmur3.js')]: 'murmur3-browser.js',
  [path.join('bdb', 'lib', 'level.js')]: 'level-browser.js'
};

const resolve = Module._resolveFilename;

Module._resolveFilename = function resolveToSibling(...args) {
  const found = resolve.apply(this, args);

  for (const [suffix, sibling] of Object.entries(SIBLINGS)) {
    if (found.endsWith(path.sep + suffix))
      return path.join(path.dirname(found), sibling);
  }

  return found;
};

const networks = require('bcoin/lib/protocol/networks');

networks.regtest.keyPrefix.privkey = 0xef;
networks.regtest.addressPrefix.pubkeyhash = 0x6f;
networks.regtest.addressPrefix.scripthash = 0xc4;
networks.regtest.addressPrefix.bech32 = 'bcrt';
// Its only seed is this machine's own port; the node must look for nobody.
networks.regtest.seeds = [];

const Mempool = require('bcoin/lib/mempool/mempool');
const insertTX = Mempool.prototype.insertTX;

/**
 * As BIP 125 has it; bcoin's own isRBF() says no to every transaction of version 2.
 */

function signals(entry) {
  return entry.tx.inputs.some(input => input.sequence < 0xfffffffe);
}

/**
 * BIP 125 in short: every conflict signals, and the newcomer pays more in all.
 */

Mempool.prototype.insertTX = async function insertOrReplace(tx, id) {
  const conflicts = new Set();

  for (const {prevout} of tx.inputs) {
    const spender = this.getSpent(prevout.hash, prevout.index);
    if (spender)
      conflicts.add(spender);
  }

  const old = Array.from(conflicts);
  const same = old.some(entry => entry.tx.hash('hex') === tx.hash('hex'));

  if (old.length === 0 || same || !old.every(signals))
    return insertTX.call(this, tx, id);

  const view = await this.getCoinView(tx);
  const paid = old.reduce((sum, entry) => sum + entry.fee, 0);

  if (tx.getFee(view) <= paid)
    return insertTX.call(this, tx, id); // refused there as a double spend

  for (const entry of old)
    this.evictEntry(entry);

  return insertTX.call(this, tx, id);
};

const TX = require('bcoin/lib/primitives/tx');
const RPC = require('bcoin/lib/node/rpc');
const {RPCError} = require('bweb');

const VERIFY_ERROR = -25;
const VERIFY_REJECTED = -26;
const VERIFY_ALREADY_IN_CHAIN = -27;
const REFUSED = 'bad-txns-inputs-missingorspent';

const sendRawTransaction = RPC.prototype.sendRawTransaction;

RPC.prototype.sendRawTransaction = async function sendAndTell(args, help) {
  if (help || args.length === 0 || !/^([0-9a-f]{2})+$/i.test(args[0]))
    return sendRawTransaction.call(this, args, help);

  const tx = TX.fromRaw(args[0], 'hex');
  let missing = null;

  try {
    missing = await this.mempool.addTX(tx);
  } catch (err) {
    if (err.type !== 'VerifyError')
      throw err;
    if (err.reason === 'txn-already-in-mempool')
      return tx.txid();
    if (err.reason === 'txn-already-known') {
      throw new RPCError(VERIFY_ALREADY_IN_CHAIN,
        'Transaction outputs already in utxo set');
    }
    throw new RPCError(VERIFY_REJECTED, err.reason);
  }

  if (missing) {
    this.mempool.removeOrphan(tx.hash('hex'));
    throw new RPCError(VERIFY_ERROR, REFUSED);
  }

  return tx.txid();
};
