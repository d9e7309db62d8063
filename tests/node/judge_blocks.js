'use strict';

/**
 * Lets bcoin judge blocks and transactions that the dev chain made: reads
 * {"blocks": [hex], "txs": [hex]} from stdin, adds the blocks one by one to a regtest
 * chain in memory and offers the transactions to its mempool, and answers
 * {"height", "tip", "refused": [reason]} on stdout.
 *
 * Used by tests/node/test_devchain_blocks.py only, with preload.js.
 */

const bcoin = require('bcoin');

// BIP 9's "active". bcoin's regtest activates segwit by signalling, as mainnet did;
// Bitcoin Core's, whose rules the dev chain follows, has it from the first block.
const ACTIVE = 3;

async function judge(given) {
  const chain = new bcoin.Chain({network: 'regtest', memory: true});
  const mempool = new bcoin.Mempool({chain, network: 'regtest', memory: true});
  const refused = [];
  await chain.open();
  await mempool.open();
  chain.getState = async (prev, deployment) =>
    ['segwit', 'csv'].includes(deployment.name) ? ACTIVE : 0;

  for (const hex of given.blocks) {
    try {
      if (!await chain.add(bcoin.Block.fromRaw(hex, 'hex')))
        refused.push('a block without its parent');
    } catch (error) {
      refused.push(error.message);
    }
  }

  for (const hex of given.txs) {
    try {
      if (await mempool.addTX(bcoin.TX.fromRaw(hex, 'hex')))
        refused.push('a transaction without its parent');
    } catch (error) {
      refused.push(error.message);
    }
  }

  return {height: chain.height, tip: chain.tip.rhash(), refused};
}

let text = '';
process.stdin.on('data', (piece) => {
  text += piece;
});
process.stdin.on('end', async () => {
  process.stdout.write(JSON.stringify(await judge(JSON.parse(text))));
});
