'use strict';

/**
 * Loaded by `node -r` after tests/node/preload.js: lets bcoin answer ElectrumX 1.20 as
 * Bitcoin Core does. Without it ElectrumX wants a newer node, misses the index of
 * transactions, or reads fees that are not there.
 */

const RPC = require('bcoin/lib/node/rpc');
const networks = require('bcoin/lib/protocol/networks');

const CORE_VERSION = 310000;
const RELAY_FEE = 0.00001; // BTC per 1,000 bytes
const FEE_RATE = 0.00005;

// Witnesses are valid from block 48 on, instead of 432 (a channel's funding has one).
networks.regtest.minerWindow = 16;
networks.regtest.activationThreshold = 12;

const {getBlock, getMempoolInfo, getNetworkInfo, init} = RPC.prototype;

RPC.prototype.getNetworkInfo = async function(args, help) {
  const info = await getNetworkInfo.call(this, args, help);
  return {...info, version: CORE_VERSION, relayfee: RELAY_FEE};
};

RPC.prototype.getMempoolInfo = async function(args, help) {
  const info = await getMempoolInfo.call(this, args, help);
  const fees = {mempoolminfee: RELAY_FEE, minrelaytxfee: RELAY_FEE};
  return {...info, ...fees, loaded: true};
};

RPC.prototype.estimateSmartFee = async function(args) {
  return {feerate: FEE_RATE, blocks: args[0] || 2};
};

// Core's verbosity is a number or a boolean.
RPC.prototype.getBlock = function(args, help) {
  const [hash, verbosity, ...more] = args;
  if (typeof verbosity !== 'number')
    return getBlock.call(this, args, help);
  return getBlock.call(this, [hash, verbosity > 0, ...more], help);
};

RPC.prototype.init = function() {
  init.call(this);
  this.add('getindexinfo', async () => {
    return {txindex: {synced: true, best_block_height: this.chain.height}};
  });
};
