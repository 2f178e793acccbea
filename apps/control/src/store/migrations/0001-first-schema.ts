/** The schema of the first release. Released migrations are never edited: a change is a new one. */
import { column, columns, type Migration, nullable } from './migration.ts';

export const firstSchema: Migration = {
  version: 1,
  title: 'first-schema',
  minReader: 1,
  steps: [
    {
      create: {
        name: 'users',
        columns: [
          column('id', 'id'),
          column('tailnet', 'integer'),
          ...columns(
            'text',
            'name',
            'display_name',
            'email',
            'picture_url',
            'provider',
            'provider_id',
          ),
          column('created_at', 'integer'),
        ],
      },
    },
    {
      index: {
        name: 'users_name',
        table: 'users',
        columns: ['tailnet', 'name'],
        unique: true,
        where: { column: 'provider_id', isEmpty: true },
      },
    },
    {
      index: {
        name: 'users_provider',
        table: 'users',
        columns: ['tailnet', 'provider', 'provider_id'],
        unique: true,
        where: { column: 'provider_id', isEmpty: false },
      },
    },
    {
      create: {
        name: 'nodes',
        columns: [
          column('id', 'id'),
          column('tailnet', 'integer'),
          column('machine_key', 'text'),
          { name: 'node_key', type: 'text', unique: true },
          nullable('disco_key', 'text'),
          { name: 'user_id', type: 'integer', nullable: true, references: 'users' },
          ...columns('text', 'tags', 'hostname', 'name'),
          column('name_is_fixed', 'integer'),
          nullable('ipv4', 'text'),
          nullable('ipv6', 'text'),
          ...columns('text', 'hostinfo', 'endpoints'),
          ...columns('integer', 'home_derp', 'cap_version'),
          column('register_method', 'text'),
          nullable('pre_auth_key_id', 'integer'),
          column('ephemeral', 'integer'),
          nullable('expiry', 'integer'),
          column('created_at', 'integer'),
          nullable('last_seen', 'integer'),
          column('approved_routes', 'text'),
        ],
        unique: [
          ['tailnet', 'name'],
          ['tailnet', 'ipv4'],
          ['tailnet', 'ipv6'],
        ],
      },
    },
    { index: { name: 'nodes_user', table: 'nodes', columns: ['user_id'] } },
    {
      create: {
        name: 'pre_auth_keys',
        columns: [
          column('id', 'id'),
          column('tailnet', 'integer'),
          { name: 'prefix', type: 'text', unique: true },
          column('hash', 'text'),
          { name: 'user_id', type: 'integer', nullable: true, references: 'users' },
          column('tags', 'text'),
          ...columns('integer', 'reusable', 'ephemeral', 'used'),
          nullable('expiration', 'integer'),
          nullable('revoked_at', 'integer'),
          column('description', 'text'),
          column('created_at', 'integer'),
        ],
      },
    },
    { index: { name: 'pre_auth_keys_user', table: 'pre_auth_keys', columns: ['user_id'] } },
    {
      create: {
        name: 'api_keys',
        columns: [
          column('id', 'id'),
          column('tailnet', 'integer'),
          { name: 'prefix', type: 'text', unique: true },
          column('hash', 'text'),
          nullable('expiration', 'integer'),
          nullable('last_seen', 'integer'),
          column('created_at', 'integer'),
        ],
      },
    },
    {
      create: {
        name: 'audit_entries',
        columns: [
          column('id', 'id'),
          ...columns('integer', 'tailnet', 'node_id'),
          ...columns('text', 'action', 'details'),
          column('timestamp', 'integer'),
        ],
      },
    },
    { index: { name: 'audit_entries_node', table: 'audit_entries', columns: ['node_id'] } },
  ],
};
