#!/usr/bin/env escript
%%! +P 4000000 +sbwt none +sbwtdcpu none +sbwtdio none
%% Idle watchers as Erlang/OTP has them: a gen_server for each payment, with the same
%% fields as ours, a timer for its next poll, and a place in a table by address.
%%
%% escript watchers.escript COUNT plain|hibernate IDLE_S
%%
%% Prints bytes each (growth of VmRSS), starts per second, and the share of a core that
%% they take while nothing happens but their timers, which are set again.
-mode(compile).
-behaviour(gen_server).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-define(INTERVAL_MS, 60000).

main([CountText, Mode, IdleText]) ->
    Count = list_to_integer(CountText),
    Hibernate = Mode =:= "hibernate",
    ets:new(by_address, [set, public, named_table]),
    Base = rss_bytes(),
    Began = erlang:monotonic_time(microsecond),
    start(Count, Hibernate),
    Took = erlang:monotonic_time(microsecond) - Began,
    erlang:garbage_collect(),
    Bytes = (rss_bytes() - Base) / Count,
    Idle = idle(list_to_integer(IdleText)),
    io:format("{\"bytes\": ~.1f, \"rate\": ~.1f, \"idle_cpu\": ~.5f}~n",
              [Bytes, Count / Took * 1000000, Idle]),
    halt(0).

start(0, _) -> ok;
start(N, Hibernate) ->
    %% Made here, so that no watcher's heap grows while it makes its texts.
    Number = iolist_to_binary(io_lib:format("~22..0b", [N])),
    Address = <<"bcrt1qqqqqqqqqqqqqqqqqqqqq", Number/binary>>,
    Order = iolist_to_binary(["order-", integer_to_list(N)]),
    {ok, _} = gen_server:start(?MODULE, {N, Number, Address, Order, Hibernate}, []),
    start(N - 1, Hibernate).

init({N, Number, Address, Order, Hibernate}) ->
    Now = 1760000000000,
    State = #{
        id => <<"pay_", Number/binary>>, method => onchain, network => regtest,
        asset => btc, address => Address, script => <<0, 20, N:160>>,
        amount_sat => 1000, tolerance_sat => 0, confirmations_required => 2,
        created_at => Now, expires_at => Now + 3600000,
        monitor_until => Now + 90000000, poll_interval_s => 60,
        external_id => Order,
        merchant => default, metadata => none, ignore => [],
        status => pending, flags => [], receipts => [], claims => [], seq => 1,
        settled_sat => 0, confirmed_at => none, deadline => Now + 3600000,
        review => none, seen_at => none
    },
    ets:insert(by_address, {Address, self()}),
    erlang:send_after(rand:uniform(?INTERVAL_MS), self(), poll),
    case Hibernate of
        true -> {ok, State, hibernate};
        false -> {ok, State}
    end.

handle_call(get, _From, State) -> {reply, State, State}.

handle_cast(_, State) -> {noreply, State}.

handle_info(poll, State) ->
    erlang:send_after(?INTERVAL_MS, self(), poll),
    {noreply, State#{seen_at := erlang:system_time(millisecond)}}.

idle(0) -> 0.0;
idle(Seconds) ->
    Before = cpu_ticks(),
    timer:sleep(Seconds * 1000),
    (cpu_ticks() - Before) / 100 / Seconds.

rss_bytes() ->
    {ok, Text} = file:read_file("/proc/self/status"),
    {match, [Kb]} = re:run(Text, "VmRSS:\\s+(\\d+)", [{capture, [1], list}]),
    list_to_integer(Kb) * 1024.

cpu_ticks() ->
    {ok, Text} = file:read_file("/proc/self/stat"),
    Fields = string:lexemes(Text, " "),
    binary_to_integer(lists:nth(14, Fields)) + binary_to_integer(lists:nth(15, Fields)).
